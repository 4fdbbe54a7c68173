"""The list of features: what the audit says of each, how many entries it has, and two small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.library import Library
from foveal.library.opinions import Standing
from foveal_audit.bundle.schema import Assessment, Findings
from foveal_audit.explorer.browsing import Browser, Wanted
from foveal_audit.explorer.tiles import crop_picture, strip

STRIP, BINS = 6, 24
_WIDTH, _HEIGHT = 168, 40


@dataclass(frozen=True)
class FeatureRow:
    """One line of the list.

    Attributes
    ----------
    name
        The feature.
    entries
        Number of its entries, None where the library cannot be reached.
    facets
        What the audit says of its facets, the highest artefact score first.
    said
        What experts say of the feature or of its facets.
    """

    name: str
    entries: int | None
    facets: Sequence[Assessment]
    said: Sequence[Standing]


def feature_rows(
    sizes: Mapping[str, int] | None, findings: Findings | None, said: Mapping[str, Standing]
) -> list[FeatureRow]:
    """List features: those the audit examined first, by artefact score, then the others by size."""
    facets: dict[str, list[Assessment]] = {}
    for one in findings.assessments if findings else []:
        facets.setdefault(one.feature, []).append(one)
    others = sorted(
        (name for name in sizes or {} if name not in facets), key=lambda name: -(sizes or {})[name]
    )
    return [
        FeatureRow(
            name,
            None if sizes is None else sizes.get(name, 0),
            facets.get(name, []),
            [said[key] for key in (name, *(one.id for one in facets.get(name, []))) if key in said],
        )
        for name in [*facets, *others]
    ]


def strongest(browser: Browser, library: Library, feature: str) -> Image.Image:
    """Draw a strip of a feature's strongest crops, one per sample."""
    ids = browser.listed(library, Wanted(feature=feature))["id"].slice(0, 4 * STRIP).to_pylist()
    rows = sorted(browser.rows(library, ids), key=lambda row: (-row["activation"], row["id"]))
    firsts = {row["sample"]: row for row in reversed(rows)}
    kept = sorted(firsts.values(), key=lambda row: -row["activation"])
    pictures = (crop_picture(row["crop"], row["id"]) for row in kept)
    return strip([picture for picture in pictures if picture is not None][:STRIP])


def chosen(browser: Browser, library: Library, ids: Sequence[str]) -> Image.Image:
    """Draw a strip of entries in the order of their ids; those that are gone are left out."""
    rows = {row["id"]: row for row in browser.rows(library, ids[:STRIP])}
    pictures = (crop_picture(rows[id_]["crop"], id_) for id_ in ids if id_ in rows)
    return strip([picture for picture in pictures if picture is not None])


def histogram(browser: Browser, library: Library, feature: str) -> str:
    """Draw how a feature's activations are spread, as SVG made of numbers only."""
    values = browser.listed(library, Wanted(feature=feature))["activation"].to_numpy()
    values = values[np.isfinite(values)]
    counts, edges = np.histogram(values, BINS) if len(values) else (np.zeros(BINS, int), np.zeros(BINS + 1))
    return _svg(counts, float(edges[0]), float(edges[-1]))


_STYLE = (
    "rect,text{fill:#4a6b7c}text{font:10px sans-serif}"
    "@media(prefers-color-scheme:dark){rect,text{fill:#9fc3d4}}"
)


def _svg(counts: NDArray[np.int64], low: float, high: float) -> str:
    step, top = _WIDTH / len(counts), max(1, int(counts.max()))
    room = _HEIGHT - 12
    bars = "".join(
        f'<rect x="{at * step:.1f}" y="{room * (1 - count / top):.1f}" width="{step - 1:.1f}" '
        f'height="{room * count / top:.1f}"/>'
        for at, count in enumerate(counts.tolist())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}"><style>{_STYLE}</style>{bars}<text x="0" y="{_HEIGHT - 1}">{low:.3g}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 1}" text-anchor="end">{high:.3g}</text></svg>'
    )
