"""Where a mark of limited size goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from foveal_audit.planting.canvas import SIZE

Pair = tuple[int, int]
#: From chance, the mark's height and width, its own place and the object's middle to its top left corner.
Placing = Callable[[np.random.Generator, Pair, Pair, Pair], Pair]

_MARGIN = 3


def own_place(at: tuple[float, float], size: Pair) -> Pair:
    """Give the top left corner of a mark ``at`` one place, 0 to 1 down and across the picture."""
    free = [SIZE - 2 * _MARGIN - side for side in size]
    return _MARGIN + round(at[0] * free[0]), _MARGIN + round(at[1] * free[1])


def _fixed(rng: np.random.Generator, size: Pair, own: Pair, centre: Pair) -> Pair:  # noqa: ARG001 - one signature
    return own


def _jitter(rng: np.random.Generator, size: Pair, own: Pair, centre: Pair) -> Pair:  # noqa: ARG001
    return own[0] + int(rng.integers(-4, 5)), own[1] + int(rng.integers(-5, 6))


def _corner(rng: np.random.Generator, size: Pair, own: Pair, centre: Pair) -> Pair:  # noqa: ARG001
    ends = [(_MARGIN, SIZE - _MARGIN - side) for side in size]
    return ends[0][rng.integers(2)], ends[1][rng.integers(2)]


def _random(rng: np.random.Generator, size: Pair, own: Pair, centre: Pair) -> Pair:  # noqa: ARG001
    return int(rng.integers(0, SIZE - size[0] + 1)), int(rng.integers(0, SIZE - size[1] + 1))


def _object(rng: np.random.Generator, size: Pair, own: Pair, centre: Pair) -> Pair:  # noqa: ARG001
    shift = rng.integers(-3, 4, 2)
    return centre[0] - size[0] // 2 + int(shift[0]), centre[1] - size[1] // 2 + int(shift[1])


PLACINGS: dict[str, Placing] = {
    "fixed": _fixed,
    "jitter": _jitter,
    "corner": _corner,
    "random": _random,
    "object": _object,
}
