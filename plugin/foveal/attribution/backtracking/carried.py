"""The set of nodes that is carried from a unit back to the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Numbers that one gathering of windows may hold.
BUDGET = 4 * 2**20


@dataclass(frozen=True, eq=False)
class Carried:
    """Nodes of one tensor of the forward, each with the number of paths that lead to it.

    Attributes
    ----------
    units
        For which unit each node is carried (N,).
    positions
        Where in the flattened tensor, batch included, the node lies (N,).
    signs
        1 where the node matters by being large, -1 by being small (N,): a negative weight turns it.
    counts
        Number of paths (N,), float64: they multiply from layer to layer.
    """

    units: Tensor
    positions: Tensor
    signs: Tensor
    counts: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, index: Tensor) -> Carried:
        """Pick nodes by index or mask."""
        return Carried(self.units[index], self.positions[index], self.signs[index], self.counts[index])

    def moved(self, positions: Tensor, signs: Tensor | None = None) -> Carried:
        """Put the nodes elsewhere; those at negative positions or with sign 0 are dropped."""
        signs = self.signs if signs is None else signs
        there = (positions >= 0) & (signs != 0)
        return Carried(self.units[there], positions[there], signs[there], self.counts[there])

    def merged(self, size: int) -> Carried:
        """Join nodes that lie at the same position of a tensor of so many numbers, adding their counts."""
        keys = (self.units * 2 + (self.signs < 0)) * size + self.positions
        unique, inverse = torch.unique(keys, return_inverse=True)
        counts = self.counts.new_zeros(len(unique)).index_add_(0, inverse, self.counts)
        heads = unique // size
        return Carried(heads // 2, unique % size, 1 - 2 * (heads % 2), counts)

    def chunks(self, fan_in: int) -> Iterator[Carried]:
        """Go through the nodes so many at a time that gathering their inputs stays in bounds."""
        step = max(1, BUDGET // max(1, fan_in))
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            yield Carried(self.units[part], self.positions[part], self.signs[part], self.counts[part])


def join(parts: Sequence[Carried], size: int) -> Carried:
    """Put sets of nodes of the same tensor together, and merge them."""
    if not parts:
        return none()
    return Carried(
        torch.cat([part.units for part in parts]),
        torch.cat([part.positions for part in parts]),
        torch.cat([part.signs for part in parts]),
        torch.cat([part.counts for part in parts]),
    ).merged(size)


def none(device: torch.device | None = None) -> Carried:
    """Give the empty set."""
    empty = torch.empty(0, dtype=torch.long, device=device)
    return Carried(empty, empty, empty, empty.double())


def signs_of(values: Tensor) -> Tensor:
    """Say how nodes of these values matter: a negative one by being small."""
    return 1 - 2 * (values < 0).long()
