"""Where a facet was seen, where its control is taken, and in which order samples are used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from foveal.crops import cut
from foveal.records import Window
from foveal.samples.values import Values

__all__ = [
    "Placed",
    "any_place",
    "border_place",
    "control_window",
    "cut",
    "in_rounds",
    "is_fresh",
    "overlap",
    "same_place",
]


@dataclass(frozen=True)
class Placed:
    """One window of a facet: which sample, where, and which windows of that sample are taken."""

    sample: int
    window: Window
    taken: tuple[Window, ...]


def overlap(a: Window, b: Window) -> int:
    """Count the places that two windows share."""
    axes = len(a) // 2
    shared = (max(0, min(a[axes + axis], b[axes + axis]) - max(a[axis], b[axis])) for axis in range(axes))
    return prod(shared)


def _sides(window: Window) -> tuple[int, ...]:
    axes = len(window) // 2
    return tuple(high - low for low, high in zip(window[:axes], window[axes:], strict=True))


def _box(starts: Iterable[int], sides: Sequence[int]) -> Window:
    first = tuple(int(start) for start in starts)
    return (*first, *(start + side for start, side in zip(first, sides, strict=True)))


def control_window(placed: Placed, shape: Sequence[int], rng: np.random.Generator, tries: int = 40) -> Window:
    """Choose an equally large window of the same sample that touches what was found there the least."""
    sides = _sides(placed.window)
    starts = [
        rng.integers(0, max(1, shape[axis] - side + 1), tries).tolist() for axis, side in enumerate(sides)
    ]
    boxes = [_box(place, sides) for place in zip(*starts, strict=True)]
    return min(boxes, key=lambda box: sum(overlap(box, window) for window in placed.taken))


def same_place(window: Window, shape: Sequence[int], host: Values) -> Window:
    """Carry a window over to a sample of another size."""
    axes = len(window) // 2
    scale = tuple(host.shape[axis] / shape[axis] for axis in range(axes)) * 2
    edges = [round(edge * factor) for edge, factor in zip(window, scale, strict=True)]
    starts = [min(start, side - 1) for start, side in zip(edges[:axes], host.shape[:axes], strict=True)]
    ends = (max(end, start + 1) for start, end in zip(starts, edges[axes:], strict=True))
    return (*starts, *ends)


def any_place(window: Window, host: Values, rng: np.random.Generator) -> Window:
    """Choose a random place of a window's size inside a sample."""
    sides = _sides(window)
    return _box((rng.integers(0, host.shape[axis] - side + 1) for axis, side in enumerate(sides)), sides)


def border_place(window: Window, host: Values, rng: np.random.Generator) -> Window:
    """Choose a place of a window's size that touches a border of the sample, every side as likely."""
    sides = _sides(window)
    starts = list(any_place(window, host, rng)[: len(sides)])
    axis, is_end = divmod(int(rng.integers(2 * len(sides))), 2)
    starts[axis] = host.shape[axis] - sides[axis] if is_end else 0
    return _box(starts, sides)


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
