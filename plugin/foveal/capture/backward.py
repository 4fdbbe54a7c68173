"""One backward for a stack of cotangents, batched where torch can.

``torch.autograd.grad`` compares the shapes of cotangents by symbolic algebra, for which it imports SymPy:
25 MB and a second of every worker that never sees a symbolic shape. Ours are made to fit, so the engine is
called as ``grad`` calls it, without that comparison; where torch keeps its engine elsewhere, ``grad`` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from foveal.errors import UsageError

try:  # neither name is promised by torch
    from torch._vmap_internals import _vmap
    from torch.autograd.graph import _engine_run_backward
except ImportError:
    _engine_run_backward = None  # type: ignore[assignment]

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
    pull = _pulled if _engine_run_backward is not None else _pulled_by_grad
    gradient = pull(tuple(starts), goal, tuple(cotangents), batched=batched)
    if gradient is None:
        raise UsageError("The map's layer does not lead to the target", "Choose another --layer for the map")
    return gradient.detach()


def _pulled(
    starts: tuple[Place, ...], goal: Place, cotangents: tuple[Tensor, ...], *, batched: bool
) -> Tensor | None:
    def pull(weights: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
        # retain_graph, create_graph, goals, allow_unused
        return _engine_run_backward(starts, weights, True, False, (goal,), True, accumulate_grad=False)

    run = _vmap(pull, 0, 0, allow_none_pass_through=True) if batched else pull
    gradient: Tensor | None = run(cotangents)[0]
    return gradient


def _pulled_by_grad(
    starts: tuple[Place, ...], goal: Place, cotangents: tuple[Tensor, ...], *, batched: bool
) -> Tensor | None:
    ends: Any = starts  # tensors and edges may be mixed, though grad's types deny it
    return torch.autograd.grad(
        ends, goal, cotangents, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )[0]
