"""Lengths of axes, of which some grow with the batch: each is known at two batch sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

#: The two batch sizes at which a network is run; one apart, so that growth is a difference.
SMALL, LARGE = 2, 3


@dataclass(frozen=True)
class Extent:
    """The length of an axis, or a place along it.

    Attributes
    ----------
    small, large
        Its value at a batch of two, and of three.
    """

    small: int
    large: int

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for all batches."""
        return self.small == self.large

    @property
    def per_sample(self) -> int:
        """How much it grows with each sample."""
        return (self.large - self.small) // (LARGE - SMALL)

    @property
    def base(self) -> int:
        """What is left of it without any sample."""
        return self.small - SMALL * self.per_sample

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.small + other.small, self.large + other.large)

    def __sub__(self, other: Extent) -> Extent:
        return Extent(self.small - other.small, self.large - other.large)

    def __mul__(self, other: Extent) -> Extent:
        return Extent(self.small * other.small, self.large * other.large)

    def over(self, other: Extent) -> Extent | None:
        """Divide; None where that leaves a rest."""
        if self.small % other.small or self.large % other.large:
            return None
        return Extent(self.small // other.small, self.large // other.large)


Shape: TypeAlias = tuple[Extent, ...]


def fixed(length: int) -> Extent:
    """Give a length that no batch changes."""
    return Extent(length, length)


ZERO, ONE = fixed(0), fixed(1)


def product(extents: Iterable[Extent]) -> Extent:
    """Multiply lengths."""
    return reduce(Extent.__mul__, extents, ONE)


def from_probes(small: Iterable[int], large: Iterable[int]) -> Shape:
    """Pair the shapes that a tensor had at both batch sizes."""
    return tuple(Extent(int(one), int(other)) for one, other in zip(small, large, strict=True))


def groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Split two shapes of as many numbers into the smallest runs of axes that hold as many each.

    Returns
    -------
    list
        Pairs of axes of `old` and of `new`; axes of length one are left out.
    """
    left, right = ([axis for axis, one in enumerate(shape) if one != ONE] for shape in (old, new))
    found = []
    while left or right:
        ours, theirs = [left.pop(0)] if left else [], [right.pop(0)] if right else []
        while (mine := product(old[a] for a in ours)) != (other := product(new[a] for a in theirs)):
            shorter = mine.small < other.small or (mine.small == other.small and mine.large < other.large)
            source, into = (left, ours) if shorter and left else (right, theirs)
            if not source:
                ours, theirs, left, right = ours + left, theirs + right, [], []
                break
            into.append(source.pop(0))
        found.append((ours, theirs))
    return found
