"""What a library holds about one model, column by column, as the audit computes on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from foveal import Library
from foveal.errors import UsageError
from foveal.features import CONTRIBUTION
from foveal.samples import decode_image
from foveal.samples.images import Pixels
from foveal_audit.units.appearance import detail, gradients, resize_crop

_KEY = ("source", "sample", "row", "sample_sha256")
_SAMPLE_COLUMNS = (*_KEY, "predicted", "label", "origin", "shape", "metadata", "activations")
_WINDOW_COLUMNS = (
    "id",
    *_KEY,
    "window",
    "activation",
    "share",
    "crop",
    "map",
    "map_shape",
    "vector",
    "layer",
)

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
        (H, W, C) of each sample.
    metadata
        Per column one value per sample, "" where a sample has none.
    """

    names: Strings
    sources: Strings
    predicted: NDArray[np.int64]
    labels: Strings
    origins: tuple[str | None, ...]
    sha256: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    metadata: dict[str, Strings]

    def __len__(self) -> int:
        return len(self.names)

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
        int64 (n, 4), y0, x0, y1, x1 in the original sample.
    crops
        The crops' PNG bytes; see :meth:`pixels`.
    """

    ids: Strings
    owner: NDArray[np.int64]
    boxes: NDArray[np.int64]
    activation: NDArray[np.float64]
    share: NDArray[np.float64]
    crops: NDArray[np.object_]
    maps: NDArray[np.object_]
    vectors: NDArray[np.float32]
    layer: str

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Windows:
        """Select windows by position or by mask; what was computed about them goes along."""
        chosen = copy(self)
        for name, values in vars(self).items():
            if isinstance(values, np.ndarray):
                object.__setattr__(chosen, name, values[rows])
        return chosen

    def pixels(self, row: int) -> Pixels:
        """Decode one crop (h, w, C)."""
        return decode_image(self.crops[row], str(self.ids[row]))

    @cached_property
    def images(self) -> NDArray[np.float32]:
        """All crops at a common size, float32 (n, C, 32, 32) in 0 to 1; grey where their channels differ."""
        crops = [resize_crop(self.pixels(row)) for row in range(len(self))]
        if len({len(crop) for crop in crops}) > 1:
            crops = [crop[:3].mean(axis=0, keepdims=True) for crop in crops]
        return np.stack(crops)

    @cached_property
    def gradients(self) -> NDArray[np.float32]:
        """Model-independent description of all crops, (n, 128)."""
        return gradients(self.images)

    @cached_property
    def detail(self) -> NDArray[np.float32]:
        """All crops without slow shading, (n, 32, 32)."""
        return detail(self.images)

    def centres(self, samples: Samples) -> NDArray[np.float64]:
        """Window centres as shares of the sample's height and width, (n, 2)."""
        sizes = np.array([samples.shapes[owner][:2] for owner in self.owner], dtype=np.float64)
        return np.asarray((self.boxes[:, :2] + self.boxes[:, 2:]) / 2 / sizes)


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


def read_evidence(library: Library, model_sha256: str) -> Evidence:
    """Read what the library holds about one model.

    Raises
    ------
    UsageError
        If it holds nothing about that model, or no training samples.
    """
    known = library.samples(columns=["source", "config_sha256"], model_sha256=model_sha256)
    _require(library, known, model_sha256)
    alike = {"model_sha256": model_sha256, "config_sha256": _main_configuration(known)}
    table = library.samples(columns=list(_SAMPLE_COLUMNS), **alike)
    entries = library.entries(columns=["feature", *_WINDOW_COLUMNS], units=False, **alike)
    positions = {key: number for number, key in enumerate(_keys(table))}
    owners = np.array([positions[key] for key in _keys(entries)], dtype=np.int64)
    features = np.array(entries["feature"].to_pylist(), dtype=str)

    def of(feature: str) -> Windows:
        rows = np.flatnonzero(features == feature)
        return _windows(entries.take(pa.array(rows)), owners[rows])

    nodes = {name: of(name) for name in dict.fromkeys(features.tolist()) if name != CONTRIBUTION}
    others = len(known) - len(table)
    return Evidence(_samples(table), of(CONTRIBUTION), nodes, _activations(table), others)


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
        metadata={key: np.array([record.get(key, "") for record in metadata], dtype=str) for key in columns},
    )


def _windows(table: pa.Table, owners: NDArray[np.int64]) -> Windows:
    layers = table["layer"].unique().to_pylist()
    return Windows(
        ids=np.array(table["id"].to_pylist(), dtype=str),
        owner=owners,
        boxes=np.array(table["window"].to_pylist(), dtype=np.int64).reshape(-1, 4),
        activation=np.array(table["activation"].to_pylist(), dtype=np.float64),
        share=np.array(table["share"].to_pylist(), dtype=np.float64),
        crops=_objects(table["crop"].to_pylist()),
        maps=_objects(_maps(table)),
        vectors=_vectors(table["vector"].to_pylist()),
        layer=str(layers[0]) if layers else "",
    )


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    """Keep ragged values as they are; numpy would try to stack them."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _maps(table: pa.Table) -> list[NDArray[np.float32]]:
    values = zip(table["map"].to_pylist(), table["map_shape"].to_pylist(), strict=True)
    return [np.asarray(flat, dtype=np.float32).reshape(shape) for flat, shape in values]


def _vectors(values: list[list[float]]) -> NDArray[np.float32]:
    width = max(map(len, values), default=0)
    return np.array(values, dtype=np.float32).reshape(len(values), width)


def _activations(table: pa.Table) -> dict[str, NDArray[np.float32]]:
    records = [dict(pairs) for pairs in table["activations"].to_pylist()]
    shared = set.intersection(*(set(record) for record in records)) if records else set()
    return {
        layer: np.array([record[layer] for record in records], dtype=np.float32) for layer in sorted(shared)
    }
