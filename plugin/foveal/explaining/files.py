"""Write an explanation down: STEM.npy, STEM.png and STEM.json, each whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from foveal import __version__
from foveal.crops import enlarge
from foveal.errors import EnvironmentFault
from foveal.explaining.samples import SampleExplainer, SampleExplanation
from foveal.samples.render import overlay


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

    Raises
    ------
    EnvironmentFault
        If the folder cannot be written.
    """
    report = describe(explained, explainer)
    report["files"] = {kind: str(folder / f"{stem}.{kind}") for kind in ("npy", "png", "json")}
    array, picture = io.BytesIO(), io.BytesIO()
    np.save(array, explained.map)
    heat = enlarge(explained.map, explained.pixels.shape[:2])
    overlay(explained.pixels, heat, explained.regions, _caption(report)).save(picture, "PNG")
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, content in (
            ("npy", array.getvalue()),
            ("png", picture.getvalue()),
            ("json", text.encode()),
        ):
            _write_whole(folder / f"{stem}.{kind}", content)
    except OSError as error:
        raise EnvironmentFault(
            f"Folder '{folder}' cannot be written: {error.strerror}", "Choose another with -o"
        ) from error
    return report


def describe(explained: SampleExplanation, explainer: SampleExplainer) -> dict[str, Any]:
    """Say in plain values what was predicted and found, and by which model, layer and method."""
    return {
        "sample": explained.sample,
        "sample_sha256": explained.sha256,
        "shape": list(explained.pixels.shape),
        "prediction": {
            "class": explained.predicted,
            "label": explained.label,
            "probability": _probability(explained),
            "scores": list(explained.scores),
        },
        "target": explainer.target,
        "method": explainer.method,
        "layer": explainer.layer,
        "model": explainer.model.name,
        "model_sha256": explainer.model.sha256,
        "map": {
            "grid": list(explained.map.shape),
            "min": float(explained.map.min()),
            "max": float(explained.map.max()),
        },
        "boxes": [
            {"number": number, "window": list(region.window), "score": round(region.score, 6)}
            for number, region in enumerate(explained.regions, start=1)
        ],
        "timings_ms": explained.timings,
        "foveal": __version__,
    }


def _probability(explained: SampleExplanation) -> float:
    """Softmax of the predicted class; for one logit, the sigmoid on the predicted side."""
    scores = np.array(explained.scores, dtype=np.float64)
    if len(scores) == 1:
        return float(1 / (1 + np.exp(-abs(scores[0]))))
    weights = np.exp(scores - scores.max())
    return float(weights[explained.predicted] / weights.sum())


def _caption(report: dict[str, Any]) -> str:
    prediction = report["prediction"]
    name = prediction["label"] or f"class {prediction['class']}"
    shown = f"{report['method']} of {report['target']} at {report['layer']}"
    return f"{name} ({prediction['probability']:.2f}); {shown}"


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
