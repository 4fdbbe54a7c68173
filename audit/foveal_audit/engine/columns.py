"""Evidence on the disk, a file per column: written piece by piece, read by every process without a copy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from foveal.features import CONTRIBUTION
from foveal_audit.examining import Split
from foveal_audit.ragged import RaggedBytes, RaggedMaps, bounds_of
from foveal_audit.windows import Evidence, Samples, Windows

_SAMPLES, _WINDOWS, _SPLIT = "samples.json", "windows.json", "split.json"
_FEATURES, _BANDS, _SPACINGS = "features.json", "bands.npy", "spacings.npy"
_LIGHT = ("ids", "owner", "boxes", "activation", "share")
_LOOKS = ("images", "gradients", "detail")
_STRINGS = ("names", "sources", "labels")


def write_samples(samples: Samples, activations: Mapping[str, NDArray[np.float32]], folder: Path) -> None:
    """Write the samples of a library and the values of every node for them."""
    fields = {name: getattr(samples, name).tolist() for name in (*_STRINGS, "predicted")}
    fields |= {name: list(getattr(samples, name)) for name in ("origins", "sha256", "shapes")}
    metadata = {key: values.tolist() for key, values in samples.metadata.items()}
    layers = list(activations)
    content = {**fields, "metadata": metadata, "layers": layers}
    (folder / _SAMPLES).write_text(json.dumps(content))
    if samples.spacings is not None:
        np.save(folder / _SPACINGS, samples.spacings)
    for number, layer in enumerate(layers):
        np.save(folder / f"activations-{number}.npy", activations[layer])


def write_windows(pieces: Iterator[Windows], folder: Path) -> int:
    """Write windows as they come; returns how many there were."""
    folder.mkdir()
    light: list[Windows] = []
    shapes: dict[str, list[Any]] = {"crops": [], "maps": [], "grids": []}
    width = 0
    with (
        (folder / "crops.bin").open("wb") as crops,
        (folder / "maps.bin").open("wb") as maps,
        (folder / "vectors.bin").open("wb") as vectors,
    ):
        for piece in pieces:
            light.append(_without_crops(piece))
            width = max(width, piece.vectors.shape[1])
            vectors.write(np.ascontiguousarray(piece.vectors, np.float32).tobytes())
            for row in range(len(piece) if _has_crops(piece) else 0):
                encoded, drawn = piece.crops[row], np.asarray(piece.maps[row], np.float32)
                crops.write(encoded)
                maps.write(drawn.tobytes())
                shapes["crops"].append(len(encoded))
                shapes["maps"].append(drawn.size)
                shapes["grids"].append(drawn.shape)
    _write_light(light, shapes, folder)
    about = {"layer": light[0].layer if light else "", "width": width}
    (folder / _WINDOWS).write_text(json.dumps(about))
    return sum(map(len, light))


def _has_crops(windows: Windows) -> bool:
    return not isinstance(windows.crops, RaggedBytes) or len(windows.crops.values) > 0


def _without_crops(windows: Windows) -> Windows:
    nothing = np.zeros((len(windows), 0), np.float32)
    return Windows(
        **{name: getattr(windows, name) for name in _LIGHT},
        crops=np.zeros(0, object),
        maps=np.zeros(0, object),
        vectors=nothing,
        layer=windows.layer,
        bands=windows.bands,
    )


def _write_light(light: list[Windows], shapes: Mapping[str, list[Any]], folder: Path) -> None:
    empty = {"ids": np.zeros(0, str), "owner": np.zeros(0, np.int64), "boxes": np.zeros((0, 4), np.int64)}
    for name in _LIGHT:
        columns = [getattr(piece, name) for piece in light]
        np.save(folder / f"{name}.npy", np.concatenate(columns) if columns else empty.get(name, np.zeros(0)))
    if any(piece.bands is not None for piece in light):
        np.save(folder / _BANDS, np.concatenate([_bands(piece) for piece in light]))
    for name in ("crops", "maps"):
        np.save(folder / f"{name}.npy", bounds_of(np.array(shapes[name], dtype=np.int64)))
    grids = shapes["grids"]
    np.save(folder / "grids.npy", np.array(grids, dtype=np.int64).reshape(len(grids), -1 if grids else 2))


def _bands(windows: Windows) -> NDArray[np.float64]:
    return np.full((len(windows), 2), np.nan) if windows.bands is None else windows.bands


def _known(path: Path) -> NDArray[np.float64] | None:
    """Read what is only written where anything is known."""
    return np.load(path) if path.is_file() else None


def write_features(features: Mapping[str, int], examined: Sequence[str], left_out: int, folder: Path) -> None:
    """Write the features with the number of their entries, which are examined, and what was left out."""
    content = {"features": features, "examined": list(examined), "left_out": left_out}
    (folder / _FEATURES).write_text(json.dumps(content))


def read_examined(folder: Path) -> list[str]:
    """Name the features that are examined."""
    return [str(name) for name in json.loads((folder / _FEATURES).read_text())["examined"]]


def feature_folder(folder: Path, feature: str) -> Path:
    """Say where the windows of a feature lie."""
    return folder / quote(feature, safe="")


def open_evidence(folder: Path) -> Evidence:
    """Open what was written of a library; crops, maps and vectors stay on the disk until asked for."""
    content = json.loads((folder / _SAMPLES).read_text())
    about = json.loads((folder / _FEATURES).read_text())
    layers = content.pop("layers")
    nodes = {
        name: open_windows(feature_folder(folder, name)) for name in about["features"] if name != CONTRIBUTION
    }
    return Evidence(
        replace(_open_samples(content), spacings=_known(folder / _SPACINGS)),
        open_windows(feature_folder(folder, CONTRIBUTION)),
        nodes,
        {layer: _column(folder / f"activations-{number}.npy") for number, layer in enumerate(layers)},
        about["left_out"],
    )


def _open_samples(content: Mapping[str, Any]) -> Samples:
    return Samples(
        **{name: np.array(content[name], dtype=str) for name in _STRINGS},
        predicted=np.array(content["predicted"], dtype=np.int64),
        origins=tuple(content["origins"]),
        sha256=tuple(content["sha256"]),
        shapes=tuple(tuple(shape) for shape in content["shapes"]),
        metadata={key: np.array(values, dtype=str) for key, values in content["metadata"].items()},
    )


def open_windows(folder: Path) -> Windows:
    """Open the windows of one feature."""
    about = json.loads((folder / _WINDOWS).read_text())
    light = {name: np.load(folder / f"{name}.npy") for name in _LIGHT}
    number = len(light["ids"])
    vectors = _flat(folder / "vectors.bin", np.float32)
    return Windows(
        **light,
        crops=RaggedBytes(_flat(folder / "crops.bin", np.uint8), np.load(folder / "crops.npy")),
        maps=RaggedMaps(
            _flat(folder / "maps.bin", np.float32),
            np.load(folder / "maps.npy"),
            np.load(folder / "grids.npy"),
        ),
        vectors=vectors.reshape(number, about["width"]),
        layer=about["layer"],
        bands=_known(folder / _BANDS),
    )


def _column(path: Path) -> NDArray[Any]:
    """Open an array on the disk; numpy maps no empty ones."""
    values: NDArray[Any] = np.load(path, mmap_mode="r")
    return values if values.size else np.load(path)


def _flat(path: Path, kind: type[np.generic]) -> NDArray[Any]:
    if not path.stat().st_size:
        return np.zeros(0, kind)
    return np.memmap(path, dtype=kind, mode="r")


def write_looks(windows: Windows, split: Split, folder: Path) -> None:
    """Write what was computed about the crops of a feature, and how they were split."""
    for name in _LOOKS:
        np.save(folder / f"{name}.npy", getattr(windows, name))
    content = asdict(split) | {"labels": split.labels.tolist()}
    (folder / _SPLIT).write_text(json.dumps(content))


def with_looks(windows: Windows, folder: Path) -> Windows:
    """Give windows what was computed about their crops, so that nobody computes it again."""
    return windows.knowing({name: _column(folder / f"{name}.npy") for name in _LOOKS})


def read_split(folder: Path) -> Split:
    """Read how the windows of a feature were split."""
    return Split.of(json.loads((folder / _SPLIT).read_text()))
