"""The contrast of contrastive excitation backprop: the head against itself with negated weights."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from foveal.attribution.functions import check_visible
from foveal.attribution.propagation.cutting import Cut
from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.rules import Rule, excitation, inhibition
from foveal.attribution.subject import Subject

#: Which of a forward's linear operations come last before a unit.
Head: TypeAlias = frozenset[int]


def opposite_at(head: Head) -> Rule:
    """Walk by excitation, but at the head as if its weights were negated: by inhibition."""

    def rule(one: Linear) -> Tensor:
        return inhibition(one) if one.index in head else excitation(one)

    return rule


def find_heads(subject: Subject) -> list[Head]:
    """Find the head of each unit: the linear operations whose results reach it past no other.

    Every linear operation's result is made a leaf, so that gradients reach the last ones only.
    """
    check_visible(subject.model)
    cut = Cut()
    with torch.enable_grad():
        with cut.override():
            scores = subject.scores(subject.x.detach().clone().requires_grad_())
        return [_reached(scores[:, unit], cut.leaves) for unit in range(subject.count)]


def _reached(score: Tensor, leaves: dict[int, Tensor]) -> Head:
    if not score.requires_grad or not leaves:
        return frozenset()
    found = torch.autograd.grad(score.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
    return frozenset(index for index, one in zip(leaves, found, strict=True) if one is not None and one.any())
