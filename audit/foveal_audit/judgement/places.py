"""Where a facet was seen, where its control is taken, and in which order samples are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.images import Pixels


@dataclass(frozen=True)
class Placed:
    """One window of a facet: which sample, where, and which windows of that sample are taken."""

    sample: int
    window: Window
    taken: tuple[Window, ...]


def overlap(a: Window, b: Window) -> int:
    """Count the pixels that two windows share."""
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    return max(0, height) * max(0, width)


def control_window(placed: Placed, shape: Sequence[int], rng: np.random.Generator, tries: int = 40) -> Window:
    """Choose an equally large window of the same sample that touches what was found there the least."""
    y0, x0, y1, x1 = placed.window
    height, width = y1 - y0, x1 - x0
    tops = rng.integers(0, max(1, shape[0] - height + 1), tries)
    lefts = rng.integers(0, max(1, shape[1] - width + 1), tries)
    boxes = [(int(y), int(x), int(y) + height, int(x) + width) for y, x in zip(tops, lefts, strict=True)]
    return min(boxes, key=lambda box: sum(overlap(box, window) for window in placed.taken))


def same_place(window: Window, shape: Sequence[int], host: Pixels) -> Window:
    """Carry a window over to a sample of another size."""
    scale = (host.shape[0] / shape[0], host.shape[1] / shape[1]) * 2
    y0, x0, y1, x1 = (round(edge * factor) for edge, factor in zip(window, scale, strict=True))
    y0, x0 = min(y0, host.shape[0] - 1), min(x0, host.shape[1] - 1)
    return y0, x0, max(y1, y0 + 1), max(x1, x0 + 1)


def any_place(window: Window, host: Pixels, rng: np.random.Generator) -> Window:
    """Choose a random place of a window's size inside a sample."""
    height, width = window[2] - window[0], window[3] - window[1]
    top = int(rng.integers(0, host.shape[0] - height + 1))
    left = int(rng.integers(0, host.shape[1] - width + 1))
    return top, left, top + height, left + width


def border_place(window: Window, host: Pixels, rng: np.random.Generator) -> Window:
    """Choose a place of a window's size that touches a border of the sample, every side as likely."""
    top, left, bottom, right = any_place(window, host, rng)
    height, width = bottom - top, right - left
    side = int(rng.integers(4))
    if side < 2:
        top = 0 if side == 0 else host.shape[0] - height
    else:
        left = 0 if side == 2 else host.shape[1] - width
    return top, left, top + height, left + width


def cut(pixels: Pixels, window: Window) -> Pixels:
    """Cut a window out of a sample."""
    y0, x0, y1, x1 = window
    return pixels[y0:y1, x0:x1]


def in_rounds(owners: NDArray[np.int64], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose rows so that every owner comes once before any comes again.

    Parameters
    ----------
    owners
        int64 (n,), which sample each row belongs to.
    number
        How many rows; more than there are begin anew.
    rng
        Draws the order.
    """
    parts = [_one_round(owners, rng) for _ in range(-(-number // len(owners)))]
    return np.concatenate([np.zeros(0, np.int64), *parts])[:number]


def _one_round(owners: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    order = rng.permutation(len(owners))
    return order[np.argsort(_times_before(owners[order]), kind="stable")]


def _times_before(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count for every place how often its value comes at an earlier one."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    counts = np.empty(len(values), dtype=np.int64)
    counts[order] = np.arange(len(values)) - starts
    return counts


def is_fresh(*shared: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the pairs none of whose samples was used by an earlier pair: those are independent.

    Parameters
    ----------
    shared
        Arrays (n,): which sample a pair has in common with others (donor, host).
    """
    return np.asarray(np.all([_times_before(labels) == 0 for labels in shared], axis=0))
