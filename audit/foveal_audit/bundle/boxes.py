"""How much two windows share: half-open boxes of any number of axes, all starts before all ends."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod


def size(box: Sequence[int]) -> int:
    """Count the places in a box."""
    axes = len(box) // 2
    return prod(box[i + axes] - box[i] for i in range(axes))


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the places that two boxes share; boxes of different dimensions share none."""
    axes = len(one) // 2
    if len(one) != len(other):
        return 0
    return prod(max(0, min(one[i + axes], other[i + axes]) - max(one[i], other[i])) for i in range(axes))


def jaccard(one: Sequence[int], other: Sequence[int]) -> float:
    """Give what two boxes share over what they cover together, 0 to 1."""
    both = common(one, other)
    return both / (size(one) + size(other) - both)
