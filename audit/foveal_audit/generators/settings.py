"""What steers the learning of a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

#: Maps crops (n, C, *s) in [0, 1] to feature maps of the audited network, differentiable in the crops.
Perceptual = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class FitSettings:
    """Settings common to all kinds.

    Attributes
    ----------
    asked
        The kind that was asked for.
    seed
        Same crops and seed, same bits.
    steps
        Optimiser steps; None takes the kind's default. Cost is proportional to it.
    perceptual
        Shallow feature maps of the audited network, so that detail it looks at is not blurred away.
    """

    asked: str
    seed: int
    steps: int | None = None
    perceptual: Perceptual | None = None
