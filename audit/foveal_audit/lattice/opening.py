"""What exact frames are held against: a library's crops of the feature, and the audited model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from foveal import Library
from foveal.archives import AuditedModel
from foveal.errors import UsageError
from foveal.features import CONTRIBUTION, FeatureName
from foveal.samples.arrays import decode_crop
from foveal.samples.values import Values
from foveal_audit.bench import is_unchanged, reader_of
from foveal_audit.generators import align_to
from foveal_audit.generators.crops import Crops
from foveal_audit.generators.generator import Generator
from foveal_audit.generators.pasting import Measure, Pasting, Place, coldest
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.spans import Span
from foveal_audit.units.appearance import resize_crop
from foveal_audit.units.unit import Unit

from .frames import Frames, RealCrops
from .gauge import HOSTS

MOST_CROPS = 800  # as many as a generator learns from at most
_CANDIDATES = 32  # samples asked for how cold they leave the unit
_ENTRY_COLUMNS = ("id", "sample", "row", "source", "window", "predicted", "crop")
_SAMPLE_COLUMNS = ("sample", "row", "source", "predicted", "origin", "sample_sha256", "shape")
_Key = tuple[str, str, int]
_ASKING = Lock()


@dataclass(frozen=True)
class Seen:
    """What a library holds of a feature: nothing more is asked of it afterwards.

    Attributes
    ----------
    feature
        Its name as the library lists it after the audit: ``contribution:12``, ``fc1:7``.
    entries
        Entries drawn from it, crops included.
    samples
        All samples of the model, without their values.
    library
        The library's name.
    """

    feature: str
    entries: pa.Table
    samples: pa.Table
    library: str

    @classmethod
    def of(cls, feature: str, library: Library, model_sha256: str | None = None, seed: int = 0) -> Seen:
        """Look into a library."""
        entries = library.query(feature=feature).drawn(MOST_CROPS, seed, list(_ENTRY_COLUMNS))
        samples = library.samples(columns=list(_SAMPLE_COLUMNS), model_sha256=model_sha256)
        return cls(feature, entries, samples, library.name)

    def frames(self, generator: Generator, seed: int = 0) -> Frames:
        """Give the frames of its generator, without the audited model's value.

        Raises
        ------
        UsageError
            There are fewer than two entries whose crops can be read.
        """
        cuts = (_cut(crop, name, generator.span) for crop, name in _rows(self.entries, "crop", "id"))
        cut = {at: crop for at, crop in enumerate(cuts) if crop is not None}
        unread = len(self.entries) - len(cut)
        if len(cut) < 2:
            more = f" whose crops can be read, and {unread} others" if unread else ""
            raise UsageError(
                f"Library {self.library!r} holds {len(cut)} entries of {self.feature}{more}",
                "Open the library that was audited, as the bundle's findings.json names it",
            )
        entries = self.entries.take(pa.array(list(cut)))
        real = _real(generator, list(cut.values()), entries, unread)
        return Frames(generator, real, None, _keys(entries), seed)

    def pasting(self, model: AuditedModel) -> Pasting | None:
        """Choose, as the card does, training samples without the feature that leave the unit coldest.

        None where no sample's file can be read any more.
        """
        outcome = Counter(self.entries["predicted"].to_pylist()).most_common(1)[0][0]
        files = self._free(outcome)
        candidates = list(map(reader_of(model), islice(files, _CANDIDATES)))
        measure = _alone(unit_measure(model, int(outcome), _unit(self.feature)))
        hosts = coldest(measure, candidates, HOSTS)
        return Pasting(measure, hosts, _places(self.entries, self.samples)) if hosts else None

    def _free(self, outcome: int) -> Iterator[str]:
        """Give unchanged files of training samples of other outcomes without the feature, in random order."""
        owners = set(_keys(self.entries))
        rows = _rows(self.samples, "source", "predicted", "origin", "sample_sha256")
        free = [
            (origin, sha256)
            for key, (source, predicted, origin, sha256) in zip(_keys(self.samples), rows, strict=True)
            if source == "training" and predicted != outcome and key not in owners
        ]
        order = np.random.default_rng(0).permutation(len(free))
        return (free[row][0] for row in order if is_unchanged(*free[row]))


def _cut(crop: bytes, name: str, span: Span) -> Crops | None:
    """Decode a crop; None where its bytes are none."""
    try:
        return resize_crop(decode_crop(crop, name), span=span)
    except UsageError:
        return None


def _real(generator: Generator, cut: Sequence[Crops], entries: pa.Table, unread: int) -> RealCrops:
    """Bring crops to the generator's channels and register them to its own mean picture."""
    originals = np.stack([_channels(crop, generator.shape[0]) for crop in cut])
    registered, _ = align_to(originals, generator.decode(generator.mixture.mean[None])[0])
    return RealCrops(registered, originals, entries["id"].to_pylist(), entries["sample"].to_pylist(), unread)


def _channels(crop: Crops, wanted: int) -> Crops:
    """Give a crop (C, *s) the generator's channels: colours averaged or grey repeated, opacity left out."""
    colours = crop if len(crop) == wanted else crop[:3]
    if len(colours) == wanted:
        return colours
    return np.repeat(colours.mean(axis=0, keepdims=True), wanted, axis=0)


def _alone(measure: Measure) -> Measure:
    """Let one thread at a time ask: what a unit says is caught by hooks on the model that all share."""

    def measured(samples: Sequence[Values]) -> NDArray[np.float64]:
        with _ASKING:
            return measure(samples)

    return measured


def _unit(feature: str) -> Unit | None:
    """Give the node or channel; a unit of windows speaks through the class alone."""
    name = FeatureName.parse(feature)
    if name.layer == CONTRIBUTION or name.index is None:
        return None
    return Unit(feature, name.layer, (name.index,), local=False)


def _places(entries: pa.Table, samples: pa.Table) -> list[Place]:
    shapes = dict(zip(_keys(samples), samples["shape"].to_pylist(), strict=True))
    found: list[Place] = []
    for key, window in zip(_keys(entries), entries["window"].to_pylist(), strict=True):
        if key in shapes:
            sides = shapes[key][:-1]
            found.append(tuple(end / side for end, side in zip(window, [*sides, *sides], strict=True)))
    axes = len(samples["shape"][0].as_py()) - 1 if len(samples) else 2
    return found or [(*[0.25] * axes, *[0.75] * axes)]


def _keys(table: pa.Table) -> list[_Key]:
    return list(_rows(table, "source", "sample", "row"))


def _rows(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)
