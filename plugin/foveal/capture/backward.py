"""One backward for a stack of cotangents, batched where torch can."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias, cast

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from foveal.errors import UsageError

#: A place in the graph: a tensor, or one output of a node whose tensor nobody kept.
Place: TypeAlias = Tensor | GradientEdge


def differentiate(starts: Sequence[Place], goal: Place, cotangents: Sequence[Tensor]) -> Tensor:
    """Send stacks of cotangents from several places back to one.

    Parameters
    ----------
    starts
        What is differentiated.
    goal
        By what.
    cotangents
        For every start (K, *its shape).

    Returns
    -------
    Tensor
        Gradients (K, *shape of the goal), detached.

    Raises
    ------
    UsageError
        If the goal does not lead to a start.
    """
    if len(cotangents[0]) == 1:
        return _gradient(starts, goal, [one[0] for one in cotangents], batched=False)[None]
    # Some operations cannot be batched, and say so in many words; a true fault shows again below.
    with suppress(RuntimeError):
        return _gradient(starts, goal, cotangents, batched=True)
    singles = zip(*(one.unbind(0) for one in cotangents), strict=True)
    return torch.stack([_gradient(starts, goal, list(single), batched=False) for single in singles])


def _gradient(starts: Sequence[Place], goal: Place, cotangents: Sequence[Tensor], *, batched: bool) -> Tensor:
    (gradient,) = torch.autograd.grad(
        cast("Sequence[Tensor]", starts),
        goal,
        cotangents,
        retain_graph=True,
        allow_unused=True,
        is_grads_batched=batched,
    )
    if gradient is None:
        raise UsageError("The map's layer does not lead to the target", "Choose another --layer for the map")
    return gradient.detach()
