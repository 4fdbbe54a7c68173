"""What a library holds about one model, column by column, as the audit computes on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from foveal import Library
from foveal.errors import UsageError
from foveal.features import CONTRIBUTION
from foveal.samples.arrays import MAGIC, decode_crop
from foveal.samples.values import Values
from foveal_audit.library_columns import (
    activations_of,
    bands_of,
    boxes_of,
    crops_of,
    maps_of,
    spacings_of,
    vectors_of,
)
from foveal_audit.ragged import RaggedBytes, RaggedMaps
from foveal_audit.spans import FULL, Span, span_of
from foveal_audit.units.appearance import SIDES, detail, gradients, resize_crop

_KEY = ("source", "sample", "row", "sample_sha256")
#: Requests have other names each time they are sent; what is found must not depend on them.
_BY_CONTENT = [(name, "ascending") for name in ("source", "sample_sha256", "sample", "row")]
_SAMPLE_COLUMNS = (*_KEY, "predicted", "label", "origin", "shape", "metadata", "activations", "spacing")
#: What is known of an entry without its crop, and what its crop adds.
LIGHT = ("id", *_KEY, "window", "activation", "share", "layer", "band")
HEAVY = ("crop", "map", "map_shape", "vector")

#: How ids of whole pictures begin: they are no entries of the library.
WHOLE_PICTURE = "whole:"

#: Entries that are read at a time, and crops that tell what values there are.
_PIECE, _SPANNED = 2000, 512

Strings = NDArray[np.str_]


@dataclass(frozen=True)
class Samples:
    """The samples of a library, one position each.

    Attributes
    ----------
    names, sources
        As the entries give them.
    predicted
        int64 (n,), the model's class.
    labels
        The truth where it is known, else "".
    origins, sha256
        Where the file lies, or None, and the hash of what it held.
    shapes
        (*S, C) of each sample.
    metadata
        Per column one value per sample, "" where a sample has none.
    spacings
        float64 (n, axes), size of one step of each sample in seconds or millimetres, not a number where it is
        unknown; None where it is of all.
    """

    names: Strings
    sources: Strings
    predicted: NDArray[np.int64]
    labels: Strings
    origins: tuple[str | None, ...]
    sha256: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    metadata: dict[str, Strings]
    spacings: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def axes(self) -> int:
        """Number of axes of the samples; 2 where there are none."""
        return len(self.shapes[0]) - 1 if self.shapes else 2

    def spacing(self, sample: int) -> tuple[float, ...] | None:
        """Give the size of one step per axis of a sample; None where it is unknown."""
        if self.spacings is None or np.isnan(self.spacings[sample]).any():
            return None
        return tuple(self.spacings[sample].tolist())

    def common_spacing(self, rows: NDArray[np.int64]) -> tuple[float, ...] | None:
        """Give the spacing that all of some samples have; None where they differ or it is unknown."""
        found = set() if self.spacings is None else {self.spacing(int(row)) for row in np.unique(rows)}
        return found.pop() if len(found) == 1 else None

    def of(self, source: str) -> NDArray[np.bool_]:
        """Mark the samples of one source."""
        return np.asarray(self.sources == source)

    @cached_property
    def outcomes(self) -> NDArray[np.int64]:
        """The truth as numbers where every training sample has one, else the predicted class."""
        training = self.of("training")
        labelled = bool(training.any()) and bool((self.labels[training] != "").all())
        return np.unique(self.labels, return_inverse=True)[1] if labelled else self.predicted


@dataclass(frozen=True)
class Windows:
    """Entries of one recorded feature, or of all contribution windows, one position each.

    Attributes
    ----------
    ids
        The entries' identities in the library.
    owner
        int64 (n,), the position of each window's sample in :class:`Samples`.
    boxes
        int64 (n, 2 axes), all starts, then all ends (y0, x0, y1, x1 of a picture) in the original sample.
    crops, maps
        The crops' bytes, see :meth:`crop`, and the raw map of each: by position.
    bands
        float64 (n, 2), lowest and highest frequency of the evidence in Hz, not a number where there is none;
        None where there is none at all.
    """

    ids: Strings
    owner: NDArray[np.int64]
    boxes: NDArray[np.int64]
    activation: NDArray[np.float64]
    share: NDArray[np.float64]
    crops: NDArray[np.object_] | RaggedBytes
    maps: NDArray[np.object_] | RaggedMaps
    vectors: NDArray[np.float32]
    layer: str
    bands: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def axes(self) -> int:
        """Number of axes of the samples: 1 of traces, 2 of pictures, 3 of volumes."""
        return int(self.boxes.shape[1]) // 2

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Select windows by position or by mask; what was computed about them goes along."""
        vars(self)["span"] = self.span  # a part is seen on the scale of the whole
        chosen = copy(self)
        for name, values in vars(self).items():
            if isinstance(values, np.ndarray | RaggedBytes | RaggedMaps):
                object.__setattr__(chosen, name, values[rows])
        return chosen

    def knowing(self, computed: Mapping[str, NDArray[np.float32]]) -> Windows:
        """Give the same windows with what was computed about them before: images, gradients, detail."""
        told = copy(self)
        vars(told).update(computed)
        return told

    def crop(self, row: int) -> Values:
        """Decode one crop (*s, C)."""
        return decode_crop(self.crops[row], str(self.ids[row]))

    def band(self, row: int) -> tuple[float, float] | None:
        """Give the frequencies of the evidence in a window, in Hz; None where it has none."""
        if self.bands is None or np.isnan(self.bands[row]).any():
            return None
        low, high = self.bands[row].tolist()
        return low, high

    @cached_property
    def span(self) -> Span:
        """Which values count as 0 and 1: all of a picture's type, else what the crops span."""
        rows = np.linspace(0, len(self) - 1, min(len(self), len(self.crops), _SPANNED)).astype(np.int64)
        some = np.unique(rows).tolist()
        if not any(self.crops[row].startswith(MAGIC) for row in some):
            return FULL
        return span_of([self.crop(row) for row in some])

    @cached_property
    def images(self) -> NDArray[np.float32]:
        """All crops at a common size, float32 (n, C, *s) in 0 to 1; grey where their channels differ."""
        if not len(self):
            return np.zeros((0, 1, *[SIDES[self.axes]] * self.axes), dtype=np.float32)
        crops = [resize_crop(self.crop(row), span=self.span) for row in range(len(self))]
        if len({len(crop) for crop in crops}) > 1:
            crops = [crop[:3].mean(axis=0, keepdims=True) for crop in crops]
        return np.stack(crops)

    @cached_property
    def gradients(self) -> NDArray[np.float32]:
        """Model-independent description of all crops, (n, 128) of pictures."""
        return gradients(self.images)

    @cached_property
    def detail(self) -> NDArray[np.float32]:
        """All crops without slow shading, (n, 32, 32) of pictures."""
        return detail(self.images)

    def centres(self, samples: Samples) -> NDArray[np.float64]:
        """Window centres as shares of the sample's sides, (n, axes)."""
        low, high = self.boxes[:, : self.axes], self.boxes[:, self.axes :]
        return np.asarray((low + high) / 2 / self.sides(samples))

    def sides(self, samples: Samples) -> NDArray[np.float64]:
        """Give the sides of each window's sample, (n, axes)."""
        sizes = [samples.shapes[owner][: self.axes] for owner in self.owner]
        return np.array(sizes, dtype=np.float64).reshape(-1, self.axes)


@dataclass(frozen=True)
class Evidence:
    """A library as the audit sees it: samples, contribution windows and the windows of every node.

    Attributes
    ----------
    activations
        Per node layer the value of every node for every sample, float32 (n, nodes).
    left_out
        Number of the model's samples that were observed under other settings.
    """

    samples: Samples
    contribution: Windows
    nodes: dict[str, Windows]
    activations: dict[str, NDArray[np.float32]]
    left_out: int = 0

    def of(self, feature: str) -> Windows:
        """Give the windows of a recorded feature."""
        return self.contribution if feature == CONTRIBUTION else self.nodes[feature]

    @property
    def counts(self) -> dict[str, int]:
        """Number of windows of each recorded feature."""
        return {CONTRIBUTION: len(self.contribution)} | {name: len(own) for name, own in self.nodes.items()}


def read_evidence(library: Library, model_sha256: str) -> Evidence:
    """Read what the library holds about one model.

    Raises
    ------
    UsageError
        If it holds nothing about that model, or no training samples.
    """
    reader = EvidenceReader(library, model_sha256)
    windows = reader.all_windows()
    nodes = {name: own for name, own in windows.items() if name != CONTRIBUTION}
    contribution = windows.get(CONTRIBUTION) or reader.windows(CONTRIBUTION)
    return Evidence(reader.samples, contribution, nodes, reader.activations, reader.left_out)


class EvidenceReader:
    """Reads what the library holds about one model, one feature at a time.

    Parameters
    ----------
    library, model_sha256
        The library, and the model whose samples and entries count.

    Attributes
    ----------
    samples, activations, left_out
        As in :class:`Evidence`.
    counts
        Number of entries of each recorded feature.
    """

    def __init__(self, library: Library, model_sha256: str) -> None:
        known = library.samples(columns=["source", "config_sha256"], model_sha256=model_sha256)
        _require(library, known, model_sha256)
        alike = {"model_sha256": model_sha256, "config_sha256": _main_configuration(known)}
        table = library.samples(columns=list(_SAMPLE_COLUMNS), **alike).sort_by(_BY_CONTENT)
        self.samples, self.activations = _samples(table), activations_of(table)
        self.left_out = len(known) - len(table)
        self._query = partial(library.query, units=False, **alike)
        self._positions = {key: number for number, key in enumerate(_keys(table))}
        self.counts = {str(name): count for name, count in sorted(self._query().facets("feature").items())}

    def windows(self, feature: str) -> Windows:
        """Read all windows of a feature."""
        return self._windows(self._query(feature=feature).table([*LIGHT, *HEAVY], "content"))

    def all_windows(self, *, heavy: bool = True) -> dict[str, Windows]:
        """Read all windows of every feature by one question: each costs as much as reading thousands of rows.

        Parameters
        ----------
        heavy
            With crops, maps and vectors; without them these are empty.
        """
        table = self._query().table(["feature", *LIGHT, *(HEAVY if heavy else ())], "content")
        return {name: self._windows(table.filter(pc.equal(table["feature"], name))) for name in self.counts}

    def pieces(self, feature: str, *, heavy: bool = True, size: int = _PIECE) -> Iterator[Windows]:
        """Read the windows of a feature piece by piece, in the order of :meth:`windows`.

        Parameters
        ----------
        heavy
            With crops, maps and vectors; without them these are empty.
        size
            Windows per piece at most.
        """
        columns = [*LIGHT, *HEAVY] if heavy else list(LIGHT)
        for table in self._query(feature=feature).ordered(columns, size, by="content"):
            yield self._windows(table)

    def light(self, feature: str) -> Windows:
        """Read all windows of a feature without crops, maps and vectors."""
        return self._windows(self._query(feature=feature).table(list(LIGHT), "content"))

    def drawn(self, feature: str, number: int) -> Windows:
        """Draw some windows of a feature at random, always the same ones."""
        return self._windows(self._query(feature=feature).drawn(number, 0, [*LIGHT, *HEAVY]))

    def _windows(self, table: pa.Table) -> Windows:
        owners = np.array([self._positions[key] for key in _keys(table)], dtype=np.int64)
        return _windows(table, owners)


def whole_boxes(samples: Samples, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the boxes of whole samples, int64 (n, 2 axes)."""
    boxes = [(*[0] * samples.axes, *samples.shapes[row][:-1]) for row in rows]
    return np.array(boxes, dtype=np.int64).reshape(-1, 2 * samples.axes)


def _main_configuration(samples: pa.Table) -> str:
    """Choose the settings under which most training samples were observed: maps of others do not compare."""
    pairs = zip(samples["source"].to_pylist(), samples["config_sha256"].to_pylist(), strict=True)
    counts = Counter(config for source, config in pairs if source == "training")
    return str(max(counts, key=lambda config: (counts[config], config)))


def _require(library: Library, samples: pa.Table, model_sha256: str) -> None:
    if not len(samples):
        known = sorted({str(shard["model_sha256"])[:12] for shard in library.shards()})
        raise UsageError(
            f"Library {library.name!r} holds nothing about model {model_sha256[:12]} "
            f"(it knows {', '.join(known) or 'no model'})",
            "Collect samples with the model to audit: foveal collect MODEL DATA --source training",
        )
    if "training" not in samples["source"].to_pylist():
        raise UsageError(
            f"Library {library.name!r} holds no training samples of model {model_sha256[:12]}",
            f"Add them: foveal collect MODEL DATA --source training --library {library.name}",
        )


def _keys(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(table[column].to_pylist() for column in _KEY), strict=True))


def _samples(table: pa.Table) -> Samples:
    metadata = [dict(pairs) for pairs in table["metadata"].to_pylist()]
    columns = sorted({key for record in metadata for key in record})
    return Samples(
        names=np.array(table["sample"].to_pylist(), dtype=str),
        sources=np.array(table["source"].to_pylist(), dtype=str),
        predicted=np.array(table["predicted"].to_pylist(), dtype=np.int64),
        labels=np.array([label or "" for label in table["label"].to_pylist()], dtype=str),
        origins=tuple(table["origin"].to_pylist()),
        sha256=tuple(table["sample_sha256"].to_pylist()),
        shapes=tuple(tuple(shape) for shape in table["shape"].to_pylist()),
        spacings=spacings_of(table),
        metadata={key: np.array([record.get(key, "") for record in metadata], dtype=str) for key in columns},
    )


def _windows(table: pa.Table, owners: NDArray[np.int64]) -> Windows:
    layers = table["layer"].unique().to_pylist()
    blank = np.zeros((len(table), 2), dtype=np.int64)
    heavy = "crop" in table.column_names
    return Windows(
        ids=np.array(table["id"].to_pylist(), dtype=str),
        owner=owners,
        boxes=boxes_of(table["window"].to_pylist()),
        activation=table["activation"].to_numpy(),
        share=table["share"].to_numpy(),
        crops=crops_of(table) if heavy else RaggedBytes(np.zeros(0, np.uint8), blank),
        maps=maps_of(table) if heavy else RaggedMaps(np.zeros(0, np.float32), blank, blank),
        vectors=vectors_of(table) if heavy else np.zeros((len(table), 0), np.float32),
        layer=str(layers[0]) if layers else "",
        bands=bands_of(table),
    )
