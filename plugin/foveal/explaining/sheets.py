"""A comparison written down: STEM.compare.png (contact sheet), .json (numbers), .npz (all raw maps)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foveal import __version__
from foveal.crops import cut, enlarge
from foveal.explaining.comparison import RANDOM, Compared, Comparison
from foveal.explaining.files import as_json, as_png, describe_prediction, write_files
from foveal.explaining.samples import Finding, SampleExplanation
from foveal.faithfulness import Faithfulness
from foveal.features import CLASS, CONTRIBUTION
from foveal.regions import find_regions
from foveal.samples.depicting import draw_small, thumbnail
from foveal.samples.sheets import Bar, Row, contact_sheet
from foveal.samples.values import Values

#: Longer side of a tile.
TILE = 256

_NOTES = [
    (
        "Insertion: area under the target's value as the sample is brought back from a blurred copy, most "
        "evidence first; large is good. Deletion: the same as it is blurred away; small is good."
    ),
    "Orange ticks: maps drawn at random. Times: one run, prediction included.",
]
_CHANCE = ["what a method must beat;", "mean of 4, here the first"]


def write_comparison(
    comparison: Comparison, explained: SampleExplanation, folder: Path, stem: str
) -> dict[str, Any]:
    """Write the contact sheet, its numbers and all raw maps; give back the numbers.

    Raises
    ------
    EnvironmentFault
        If the folder cannot be written.
    """
    report = describe_comparison(comparison, explained)
    report["files"] = {kind: str(folder / f"{stem}.compare.{kind}") for kind in ("png", "json", "npz")}
    maps = {
        one.method.name: np.stack([finding.map for finding in one.findings])
        for one in comparison.compared
        if one.findings
    }
    archive = io.BytesIO()
    np.savez_compressed(archive, **maps)  # type: ignore[arg-type] # names of methods are the names of arrays
    contents = {
        f"{stem}.compare.npz": archive.getvalue(),
        f"{stem}.compare.png": as_png(draw_comparison(comparison, explained)),
        f"{stem}.compare.json": as_json(report),
    }
    write_files(folder, contents)
    return report


def describe_comparison(comparison: Comparison, explained: SampleExplanation) -> dict[str, Any]:
    """Say in plain values what every method found, cost and was worth."""
    return {
        "sample": explained.sample,
        "sample_sha256": explained.sha256,
        "prediction": describe_prediction(explained.prediction),
        "targets": list(comparison.targets),
        "values": list(comparison.start),
        "fractions": comparison.chance.fractions.tolist(),
        "methods": [_describe(one, comparison) for one in comparison.compared],
        RANDOM: _describe_curves(comparison.chance, comparison.targets),
        "foveal": __version__,
    }


def draw_comparison(comparison: Comparison, explained: SampleExplanation) -> Image.Image:
    """Draw the original, a row per method (and target), and chance."""
    prediction = explained.prediction
    shown = cut(explained.values, comparison.frame)
    ground = thumbnail(shown, TILE)
    rows = [Row(_plain(ground), "original", [f"{prediction.name} ({prediction.probability:.2f})"])]
    for number, target in enumerate(comparison.targets):
        name = "" if len(comparison.targets) == 1 else f" of {target}"
        rows += [_row(one, comparison, number, ground, name) for one in comparison.compared]
        bars = list(_bars(comparison.chance, comparison, number))
        rows.append(Row(_random_tile(comparison, ground), f"random maps{name}", _CHANCE, bars))
    heading = f"{Path(explained.sample).name}: {', '.join(comparison.targets)}"
    return contact_sheet(rows, heading, _NOTES)


def _row(one: Compared, comparison: Comparison, number: int, ground: Values, name: str) -> Row:
    heading = f"{one.method.name}{name}"
    if one.faithfulness is None:
        return Row(_plain(ground), heading, [str(one.fault)])
    tile = _tile(one.findings[number], ground)
    return Row(tile, heading, _lines(one, number), list(_bars(one.faithfulness, comparison, number)))


def _lines(one: Compared, number: int) -> list[str]:
    count = len(one.findings[number].regions)
    lines = [
        f"{one.milliseconds:,.0f} ms, {one.method.cost}",
        f"at {one.layer}",
        "1 object" if count == 1 else f"{count} objects",
    ]
    return [*lines, "FOR VIEWING ONLY: fails weight randomisation"] if one.method.sanity == "fails" else lines


def _tile(finding: Finding, ground: Values) -> Image.Image:
    heat = enlarge(finding.shown, ground.shape)
    return draw_small(ground, heat, find_regions(finding.shown, ground.shape), TILE)


def _random_tile(comparison: Comparison, ground: Values) -> Image.Image:
    heat = enlarge(comparison.random, ground.shape)
    return draw_small(ground, heat, [], TILE)


def _plain(ground: Values) -> Image.Image:
    return draw_small(ground, np.zeros(ground.shape[:-1]), [], TILE)


def _bars(faithfulness: Faithfulness, comparison: Comparison, number: int) -> Iterator[Bar]:
    """Draw areas as parts of one: probabilities as they are, other values by what the sample has of them."""
    unit = 1.0 if _is_probability(comparison.targets[number]) else comparison.start[number] or 1.0
    for name, areas, chance in (
        ("insertion, more is better", faithfulness.insertion_auc, comparison.chance.insertion_auc),
        ("deletion, less is better", faithfulness.deletion_auc, comparison.chance.deletion_auc),
    ):
        yield Bar(name, float(areas[0, number]) / unit, float(chance[0, number]) / unit)


def _is_probability(target: str) -> bool:
    return target in ("top", CONTRIBUTION) or target.partition(":")[0] in (CLASS, "pixel", "segment")


def _describe(one: Compared, comparison: Comparison) -> dict[str, Any]:
    report: dict[str, Any] = {
        "method": one.method.name,
        "layer": one.layer,
        "cost": one.method.cost,
        "sanity": one.method.sanity,
        "for_viewing_only": one.method.sanity == "fails",
    }
    if one.faithfulness is None:
        return report | {"fault": one.fault}
    boxes = [[list(region.window) for region in finding.regions] for finding in one.findings]
    faithful = _describe_curves(one.faithfulness, comparison.targets)
    return report | {"milliseconds": one.milliseconds, "boxes": boxes, **faithful}


def _describe_curves(faithfulness: Faithfulness, targets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "faithfulness": [
            {
                "target": target,
                "insertion_auc": float(faithfulness.insertion_auc[0, number]),
                "deletion_auc": float(faithfulness.deletion_auc[0, number]),
                "insertion": faithfulness.insertion[0, number].tolist(),
                "deletion": faithfulness.deletion[0, number].tolist(),
            }
            for number, target in enumerate(targets)
        ]
    }
