"""Excitation backprop, and its contrastive form: where a walk down from the unit along excitations ends."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from foveal.attribution.functions import Call, Handler
from foveal.attribution.propagation.contrast import find_heads, opposite_at
from foveal.attribution.propagation.engine import Propagation, relevance
from foveal.attribution.propagation.graph import is_active
from foveal.attribution.propagation.nonlinear import evaluate, hold
from foveal.attribution.propagation.rules import Rule, excitation, ratio, with_backward_of
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "excitation",
    formula="M_i = P_i, summed over channels; P_i = sum_j (x_i w_ij)+ P_j / sum_i (x_i w_ij)+, 1 at the unit",
    source="Zhang et al., IJCV 2018, arXiv:1608.00507",
    cost="one backward",
    sanity="fails",
    needs=("eager model",),
    place="either",
)
def excitation_backprop(subject: Subject) -> Tensor:
    """Find how probably a walk down from the unit along excitatory connections passes each position.

    Returns
    -------
    Tensor
        Probabilities (B, K, *grid), which sum to 1 on the grid (0 everywhere where nothing excites the unit).
    """
    return _walk(subject, excitation)


@input_method(
    "contrastive-excitation",
    formula="M = max(0, P - P of the unit whose head has negated weights); P as in excitation",
    source="Zhang et al., IJCV 2018, arXiv:1608.00507",
    cost="many passes",
    sanity="passes",
    needs=("eager model",),
    place="either",
)
def contrastive_excitation(subject: Subject) -> Tensor:
    """Find where a walk down from the unit goes more often than one down from its opposite.

    The opposite is the unit with the weights negated of the last linear operation before it.

    Returns
    -------
    Tensor
        Differences of probabilities (B, K, *grid), 0 where the opposite's walk is the more probable.
    """
    heads = find_heads(subject)
    opposites = {head: _walk(subject, opposite_at(head)) for head in dict.fromkeys(heads)}
    other = torch.stack([opposites[head][:, unit] for unit, head in enumerate(heads)], dim=1)
    return (_walk(subject, excitation) - other).clamp(min=0)


def _walk(subject: Subject, rule: Rule) -> Tensor:
    """Give the probabilities (B, K, *grid) of where a walk passes."""
    maps = relevance(subject, Propagation(rule, further=HANDLERS))
    total = maps.flatten(2).sum(-1)
    return ratio(maps, total.reshape(*total.shape, *[1] * (maps.ndim - 2)))


def pass_sum(call: Call) -> Tensor:
    """Share out a sum among its positive terms."""
    one, other = call.input, call.values["other"]
    if not (is_active(one) and is_active(other)):
        return call.plain()  # type: ignore[no-any-return]
    value: Tensor = hold(call)
    excited = _positive(one) + _positive(other) * call.values.get("alpha", 1)
    return with_backward_of(value, excited * ratio(value, excited.detach()))


def pass_average(call: Call) -> Tensor:
    """Share out an average, or a sum over positions, among its positive terms."""
    value: Tensor = hold(call)
    if not call.input.requires_grad:
        return value
    excited = evaluate(call, _positive(call.input))
    return with_backward_of(value, excited * ratio(value, excited.detach()))


def _positive(x: Tensor) -> Tensor:
    return x * (x.detach() > 0)


HANDLERS: Mapping[str, Handler] = {
    "add": pass_sum,
    **dict.fromkeys(("avg_pool", "adaptive_avg_pool", "mean", "sum"), pass_average),
}
