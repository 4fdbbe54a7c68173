"""Exact frames from what lies on disk: a bundle's generator, the library's crops and the audited model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foveal import Library
from foveal.archives import AuditedModel
from foveal.errors import UsageError
from foveal.features import CONTRIBUTION, FeatureName
from foveal.samples import decode_image, read_image
from foveal_audit.bench import is_unchanged
from foveal_audit.generators import align_to, load_generator
from foveal_audit.generators.crops import Crops
from foveal_audit.generators.generator import Generator
from foveal_audit.generators.pasting import Pasting, Place, coldest
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.units.appearance import resize_crop
from foveal_audit.units.unit import Unit

from .frames import HOSTS, Frames, RealCrops

MOST_CROPS = 800  # as many as a generator learns from at most
_CANDIDATES = 32  # samples asked for how cold they leave the unit
_ENTRY_COLUMNS = ("id", "sample", "row", "source", "window", "predicted", "crop")
_SAMPLE_COLUMNS = ("sample", "row", "source", "predicted", "origin", "sample_sha256", "shape")
_Key = tuple[str, str, int]


def open_frames(
    folder: Path, feature: str, library: Library, model: AuditedModel | None = None, seed: int = 0
) -> Frames:
    """Open the frames of a bundle's generator.

    Parameters
    ----------
    folder
        ``generators/FEATURE`` of a bundle.
    feature
        Its name as the library lists it after the audit: ``contribution:12``, ``fc1:7``.
    library
        The library that was audited.
    model
        The audited model; without it, or where no sample's file can be read any more, frames come without
        its value.
    seed
        Of the lattice in the bundle's report, 0.

    Raises
    ------
    UsageError
        No generator there (one that memorised crops is withheld), or fewer than two entries to hold it
        against.
    """
    generator = load_generator(folder)
    entries = library.query(feature=feature).drawn(MOST_CROPS, seed, list(_ENTRY_COLUMNS))
    if len(entries) < 2:
        raise UsageError(
            f"Library {library.name!r} holds {len(entries)} entries of {feature}",
            "Open the library that was audited, as the bundle's findings.json names it",
        )
    pasting = None if model is None else _pasting(feature, entries, library, model)
    return Frames(generator, _real(generator, entries), pasting, _keys(entries), seed)


def _real(generator: Generator, entries: pa.Table) -> RealCrops:
    """Bring crops to the generator's size and register them to its own mean picture."""
    cut = [resize_crop(decode_image(crop, name)) for crop, name in _rows(entries, "crop", "id")]
    originals = np.stack([_channels(crop, generator.shape[0]) for crop in cut])
    registered, _ = align_to(originals, generator.decode(generator.mixture.mean[None])[0])
    return RealCrops(registered, originals, entries["id"].to_pylist(), entries["sample"].to_pylist())


def _channels(crop: Crops, wanted: int) -> Crops:
    return crop if len(crop) == wanted else np.asarray(crop[:3].mean(axis=0, keepdims=True))


def _pasting(feature: str, entries: pa.Table, library: Library, model: AuditedModel) -> Pasting | None:
    """Choose, as the card does, training samples without the feature that leave the unit coldest."""
    outcome = Counter(entries["predicted"].to_pylist()).most_common(1)[0][0]
    samples = library.samples(columns=list(_SAMPLE_COLUMNS), model_sha256=model.sha256)
    owners = set(_keys(entries))
    free = [
        (origin, sha256)
        for key, (source, predicted, origin, sha256) in zip(
            _keys(samples), _rows(samples, "source", "predicted", "origin", "sample_sha256"), strict=True
        )
        if source == "training" and predicted != outcome and key not in owners
    ]
    order = np.random.default_rng(0).permutation(len(free))
    files = (free[row][0] for row in order if is_unchanged(*free[row]))
    candidates = [read_image(Path(str(file))) for file in islice(files, _CANDIDATES)]
    measure = unit_measure(model, int(outcome), _unit(feature))
    hosts = coldest(measure, candidates, HOSTS)
    return Pasting(measure, hosts, _places(entries, samples)) if hosts else None


def _unit(feature: str) -> Unit | None:
    """Give the node or channel; a unit of windows speaks through the class alone."""
    name = FeatureName.parse(feature)
    if name.layer == CONTRIBUTION or name.index is None:
        return None
    return Unit(feature, name.layer, (name.index,), local=False)


def _places(entries: pa.Table, samples: pa.Table) -> list[Place]:
    shapes = dict(zip(_keys(samples), samples["shape"].to_pylist(), strict=True))
    found = []
    for key, window in zip(_keys(entries), entries["window"].to_pylist(), strict=True):
        if key in shapes:
            (height, width, *_), (y0, x0, y1, x1) = shapes[key], window
            found.append((y0 / height, x0 / width, y1 / height, x1 / width))
    return found or [(0.25, 0.25, 0.75, 0.75)]


def _keys(table: pa.Table) -> list[_Key]:
    return list(_rows(table, "source", "sample", "row"))


def _rows(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[column].to_pylist() for column in columns), strict=True)
