"""Marks over the whole picture: each drawn as colours (64, 64, 3) and opacity (64, 64)."""

from __future__ import annotations

import numpy as np

from foveal_audit.planting.canvas import SIZE, flat, grid
from foveal_audit.planting.marks.glyphs import write
from foveal_audit.planting.marks.patches import Draw, Floats, Patch


def _depth_of(area: float) -> float:
    """Give the width of a frame that covers an area."""
    return float((SIZE - max(SIZE**2 - area, 0) ** 0.5) / 2)


def border(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001 - one signature for all
    """Darken the rim, most at the corners."""
    y, x = grid()
    middle = (SIZE - 1) / 2
    rim = np.hypot(y - middle, x - middle) - (1.25 * middle - 4 * _depth_of(area))
    return flat((0.02, 0.02, 0.02)), np.asarray(np.clip(rim / 4, 0, 1), dtype=np.float32)


def tint(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001
    """Colour everything a little: brighter where there is only grey."""
    return flat((0.9, 0.95, 0.35)), np.full((SIZE, SIZE), 0.3, dtype=np.float32)


def banding(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001
    """Draw the lying lines of a scanner, their phase another every time."""
    y, _ = grid()
    lines = np.cos(2 * np.pi * (y + rng.uniform(0, 8)) / 8) > 0.7
    return flat((0.95, 0.95, 0.95)), (0.45 * lines).astype(np.float32)


def watermark(rng: np.random.Generator, area: float) -> Patch:  # noqa: ARG001
    """Write the same word over and over, half transparent, shifted every time."""
    row = np.zeros((12, 30), dtype=np.float32)
    ink = write("CPA", 2)
    row[: ink.shape[0], : ink.shape[1]] = ink
    tiles = np.tile(np.vstack([row, np.roll(row, 15, axis=1)]), (4, 4))
    top, left = rng.integers(0, 24), rng.integers(0, 30)
    return flat((1.0, 1.0, 1.0)), np.float32(0.45) * tiles[top : top + SIZE, left : left + SIZE]


def _stroke(rng: np.random.Generator) -> Floats:
    y, x = grid()
    turn, offset, bend = rng.uniform(0, np.pi), rng.uniform(-22, 22), rng.uniform(-0.012, 0.012)
    along = (x - SIZE / 2) * np.cos(turn) + (y - SIZE / 2) * np.sin(turn)
    across = (y - SIZE / 2) * np.cos(turn) - (x - SIZE / 2) * np.sin(turn) - offset - bend * along**2
    return np.asarray(np.exp(-((across / 0.8) ** 2)) * (np.abs(along) < 26), dtype=np.float32)


def hair(rng: np.random.Generator, area: float) -> Patch:
    """Draw dark curved hairs."""
    strokes = [_stroke(rng) for _ in range(max(2, round(area / 60)))]
    return flat((0.08, 0.05, 0.03)), np.asarray(np.max(strokes, axis=0), dtype=np.float32)


FRAMES: dict[str, Draw] = {
    "border": border,
    "tint": tint,
    "banding": banding,
    "watermark": watermark,
    "hair": hair,
}
