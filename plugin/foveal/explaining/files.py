"""Write an explanation down: STEM.npy, STEM.png and STEM.json, each whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foveal import __version__
from foveal.errors import EnvironmentFault
from foveal.explaining.pictures import draw
from foveal.explaining.requests import all_options
from foveal.explaining.samples import Finding, Prediction, SampleExplainer, SampleExplanation
from foveal.samples.places import UNITS
from foveal.segmenting.outlines import Masks


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Give every sample a stem of its own: ``scan``, then ``scan-2``, ``scan-3`` where names repeat.

    Case does not tell stems apart, because not every file system does.
    """
    wanted = {path.stem.casefold() for path in paths}
    taken: set[str] = set()
    stems = []
    for path in paths:
        stem, number = path.stem, 1
        while stem.casefold() in taken or (number > 1 and stem.casefold() in wanted):
            number += 1
            stem = f"{path.stem}-{number}"
        taken.add(stem.casefold())
        stems.append(stem)
    return stems


def write_explanation(
    explained: SampleExplanation, explainer: SampleExplainer, folder: Path, stem: str
) -> dict[str, Any]:
    """Write the three files of a sample and give back what STEM.json holds.

    STEM.npy is the raw map (*grid) of one target, or (K, *grid) of several.

    Raises
    ------
    EnvironmentFault
        If the folder cannot be written.
    """
    report = describe(explained, explainer)
    report["files"] = {kind: str(folder / f"{stem}.{kind}") for kind in ("npy", "png", "json")}
    array = io.BytesIO()
    maps = [finding.map for finding in explained.findings]
    np.save(array, maps[0] if len(maps) == 1 else np.stack(maps))
    contents = {
        f"{stem}.npy": array.getvalue(),
        f"{stem}.png": as_png(draw(explained)),
        f"{stem}.json": as_json(report),
    }
    write_files(folder, contents)
    return report


def describe(explained: SampleExplanation, explainer: SampleExplainer) -> dict[str, Any]:
    """Say in plain values what was predicted and found, and by which model, layer and method."""
    maps = [_describe_map(finding) for finding in explained.findings]
    single = {"target": maps[0]["target"], "map": maps[0]["map"]} if len(maps) == 1 else {}
    training = explainer.training
    return {
        "sample": explained.sample,
        "sample_sha256": explained.sha256,
        "shape": list(explained.values.shape),
        **_describe_spacing(explained),
        "prediction": describe_prediction(explained.prediction),
        **single,
        "targets": [finding.target for finding in explained.findings],
        "method": explained.method.name,
        "options": all_options(explained.method, explained.options),
        "seed": explainer.seed,
        "training_samples": 0 if training is None else len(training),
        "sanity": explained.method.sanity,
        "for_viewing_only": explained.method.sanity == "fails",
        "layer": explained.layer,
        "model": explainer.model.name,
        "model_sha256": explainer.model.sha256,
        "maps": maps,
        **_describe_masks(explained.masks),
        "smoothing": _describe_smoothing(explained.smoothing),
        "boxes": [
            {
                "number": number,
                "target": finding.target,
                "window": list(region.window),
                "score": round(region.score, 6),
                **({} if band is None else {"hertz": [round(edge, 3) for edge in band]}),
            }
            for finding in explained.findings
            for number, (region, band) in enumerate(zip(finding.regions, finding.bands, strict=True), start=1)
        ],
        "timings_ms": explained.timings,
        "foveal": __version__,
    }


def describe_prediction(prediction: Prediction) -> dict[str, Any]:
    """Say in plain values what the model says."""
    return {
        "class": prediction.index,
        "label": prediction.label,
        "probability": prediction.probability,
        "scores": list(prediction.scores),
    }


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, made where it is missing; each is whole or not there.

    Raises
    ------
    EnvironmentFault
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            _write_whole(folder / name, content)
    except OSError as error:
        raise EnvironmentFault(
            f"Folder '{folder}' cannot be written: {error.strerror}", "Choose another with -o"
        ) from error


def as_png(picture: Image.Image) -> bytes:
    """Encode a picture."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def as_json(report: Mapping[str, Any]) -> bytes:
    """Encode plain values for people to read."""
    return (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode()


def _describe_map(finding: Finding) -> dict[str, Any]:
    low, high = float(finding.map.min()), float(finding.map.max())
    return {"target": finding.target, "map": {"grid": list(finding.map.shape), "min": low, "max": high}}


def _describe_spacing(explained: SampleExplanation) -> dict[str, Any]:
    """Say how large the steps are that windows count in; nothing where nobody knows."""
    if explained.spacing is None:
        return {}
    return {"spacing": list(explained.spacing), "unit": UNITS[len(explained.spacing)]}


def _describe_masks(masks: Masks | None) -> dict[str, Any]:
    """Say which classes a segmentation network found and how much of each; nothing of other networks."""
    if masks is None:
        return {}
    return {"masks": [{"class": index, "label": name, "share": share} for index, name, share in masks.found]}


def _describe_smoothing(sigma: float | None) -> dict[str, Any] | None:
    """Say how far the drawn and searched copy differs from the raw map."""
    if sigma is None:
        return None
    return {"sigma_cells": round(sigma, 4), "of": ["png", "boxes"], "raw": ["npy"]}


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the target, then rename: a reader sees the old file or the new one, never a part."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(draft).chmod(0o666 & ~_UMASK)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


_UMASK = _umask()
