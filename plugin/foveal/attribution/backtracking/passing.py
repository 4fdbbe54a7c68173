"""Operations that work on each number by itself: nodes pass through."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.rules import Choices, Follow, Rule, first, nothing
from foveal.attribution.backtracking.steps import Ref, Step

#: Activations and the like: each result comes from the number at its own place.
_PLAIN = (
    "relu clamp clamp_min clamp_max threshold hardtanh relu6 leaky_relu rrelu prelu elu selu celu gelu "
    "silu mish hardswish hardsigmoid softplus softsign log_sigmoid sigmoid tanh softmax log_softmax "
    "dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout hardshrink softshrink tanhshrink "
    "exp expm1 log log1p sqrt erf atan local_response_norm detach to float double half bfloat16 type "
    "type_as requires_grad cpu cuda nan_to_num as_tensor"
)

#: Turns a step and flat positions of its result into the signs by which the operation scales them.
_Signs = Callable[[Step, Tensor], Tensor]


def _pass(signs: _Signs) -> Follow:
    def follow(step: Step, output: int, carried: Carried, _choices: Choices) -> list[tuple[Ref, Carried]]:
        (source,) = first(step.call, step.tensors)
        turned = carried.signs * signs(step, carried.positions)
        return [(source, carried.moved(carried.positions, turned))] if output == 0 else []

    return follow


def _same(_step: Step, positions: Tensor) -> Tensor:
    return torch.ones_like(positions)


def _opposite(_step: Step, positions: Tensor) -> Tensor:
    return -torch.ones_like(positions)


def _by_channel(step: Step, positions: Tensor) -> Tensor:
    """Signs of a normalisation's weight per channel: it is folded into the weights before it."""
    weight = step.call.values.get("weight")
    if not isinstance(weight, Tensor):
        return torch.ones_like(positions)
    channel = positions // prod(step.shapes[0][2:]) % len(weight)
    return weight.sign().long()[channel]


def _by_feature(step: Step, positions: Tensor) -> Tensor:
    """Signs of a normalisation's weight on the last axes."""
    weight = step.call.values.get("weight")
    if not isinstance(weight, Tensor):
        return torch.ones_like(positions)
    return weight.sign().long().flatten()[positions % weight.numel()]


def _rule(signs: _Signs) -> Rule:
    return Rule(first, _pass(signs), nothing)


RULES = {
    **dict.fromkeys(_PLAIN.split(), _rule(_same)),
    **dict.fromkeys(("neg", "negative", "__neg__", "rsub", "__rsub__"), _rule(_opposite)),
    **dict.fromkeys(("batch_norm", "group_norm", "instance_norm"), _rule(_by_channel)),
    "layer_norm": _rule(_by_feature),
}
