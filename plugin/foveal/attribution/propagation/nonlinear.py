"""How relevance passes what is not linear.

* An elementwise f passes c (f(z) - f(0)) / z, so that z keeps what f(z) was given; f(0) absorbs as a bias
  does. A rectifier does so by its own derivative and needs no handler.
* Of a product of two activations, a gate (a sigmoid's or softmax's result) is a constant (Arras et al., WASSA
  2017); without a gate each factor takes half (uniform rule: Achtibat et al., ICML 2024).
* What only normalises (divisors, norms, variances, a softmax and so attention weights) is a constant (Ali et
  al., ICML 2022). Layer, group and instance norm, centred and divided, are linear then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.functions import Call, Handler
from foveal.attribution.propagation.graph import is_active
from foveal.attribution.propagation.rules import ratio, with_backward_of
from foveal.errors import UsageError

#: Elementwise operations whose derivative is not the quotient f(z) / z.
ELEMENTWISE = (
    "relu6", "hardtanh", "clamp", "clamp_min", "threshold", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardswish", "hardsigmoid", "softplus", "softsign", "hardshrink", "softshrink", "tanhshrink",
    "log_sigmoid", "sigmoid", "tanh", "exp", "expm1", "log1p", "square", "sqrt", "sin", "cos", "tan", "atan",
    "asin", "sinh", "cosh", "erf",
)  # fmt: skip
#: Operations whose results are factors between 0 and 1 that let other activations through.
GATES = ("sigmoid", "hardsigmoid")
#: Operations that no rule is known for.
REFUSED = (
    "recurrent",
    "log",
    "log2",
    "log10",
    "logsumexp",
    "prod",
    "cumprod",
    "bilinear",
    "cosine_similarity",
)


def evaluate(call: Call, z: Tensor) -> Tensor:
    """Compute an elementwise call's operation at other values."""
    if call.args:
        return replace(call, args=(z, *call.args[1:])).plain()  # type: ignore[no-any-return]
    name = "self" if "self" in call.kwargs else "input"
    return replace(call, kwargs={**call.kwargs, name: z}).plain()  # type: ignore[no-any-return]


def pass_elementwise(call: Call) -> Tensor:
    """Pass c (f(z) - f(0)) / z."""
    z = call.input
    with torch.no_grad():
        value: Tensor = call.plain()
    if not (torch.is_grad_enabled() and z.requires_grad):
        return value
    return with_backward_of(value, z * _quotient(call, z.detach(), value))


def _quotient(call: Call, z: Tensor, value: Tensor) -> Tensor:
    """Give (f(z) - f(0)) / z, and its limit where z is next to 0."""
    step = torch.finfo(z.dtype).eps ** 0.5
    with torch.no_grad():
        rise = value - evaluate(call, torch.zeros_like(z))
        limit = (evaluate(call, torch.full_like(z, step)) - evaluate(call, torch.full_like(z, -step))) / (
            2 * step
        )
        return torch.where(z.abs() > torch.finfo(z.dtype).eps, ratio(rise, z), limit.nan_to_num(0, 0, 0))


def pass_power(call: Call) -> Tensor:
    """Pass z ** p as an elementwise operation; a negative power as the normaliser that it is."""
    exponent = call.values.get("exponent")
    if isinstance(exponent, Tensor) and is_active(exponent):
        raise refusal(call)
    return hold(call) if torch.as_tensor(exponent).min() < 0 else pass_elementwise(call)


def hold(call: Call) -> Any:  # noqa: ANN401 - what the operation gives
    """Take the result as a constant."""
    with torch.no_grad():
        return call.plain()


def pass_log_softmax(call: Call) -> Tensor:
    """Pass the logit; the logarithm of the sum is a constant."""
    return with_backward_of(hold(call), call.input)


def pass_quotient(call: Call) -> Any:  # noqa: ANN401 - what the operation gives
    """Pass the dividend; the divisor is a constant."""
    if not is_active(call.values.get("other")):
        return call.plain()
    value: Tensor = hold(call)
    dividend = call.input
    return with_backward_of(value, dividend / call.values["other"].detach()) if is_active(dividend) else value


def pass_product(call: Call, is_gate: Callable[[Tensor], bool]) -> Any:  # noqa: ANN401 - what the operation gives
    """Pass a product by its gate, or to both factors in equal parts."""
    one, other = call.input, call.values["other"]
    if not (is_active(one) and is_active(other)):
        return call.plain()
    value: Tensor = hold(call)
    if is_gate(one) != is_gate(other):
        return with_backward_of(value, one.detach() * other if is_gate(one) else one * other.detach())
    return with_backward_of(value, (one.detach() * other + one * other.detach()) / 2)


def pass_glu(call: Call) -> Tensor:
    """Pass the first half; the sigmoid of the second is a gate."""
    first, second = call.input.chunk(2, call.values.get("dim", -1))
    return with_backward_of(hold(call), first * torch.sigmoid(second.detach()))


def pass_matrix_product(call: Call) -> Tensor:
    """Pass a product of two activations to both in equal parts."""
    one, other = call.input, call.values["other"]
    surrogate = torch.matmul(one.detach(), other) + torch.matmul(one, other.detach())
    return with_backward_of(hold(call), surrogate / 2)


def pass_einsum(call: Call) -> Any:  # noqa: ANN401 - what the operation gives
    """Pass a sum of products of which one factor is an activation."""
    operands = [value for value in call.args if is_active(value)]
    nested = [
        value for group in call.args if isinstance(group, list | tuple) for value in group if is_active(value)
    ]
    if len(operands) + len(nested) > 1:
        raise refusal(call)
    return call.plain()


def pass_layer_norm(call: Call) -> Tensor:
    """Pass a layer norm: centred, divided by a constant."""
    values, x = call.values, call.input
    axes = tuple(range(-len(tuple(values["normalized_shape"])), 0))
    surrogate = _standardise(x, axes, values.get("eps", 1e-5))
    return with_backward_of(hold(call), _affine(surrogate, values.get("weight"), axes=0))


def pass_group_norm(call: Call) -> Tensor:
    """Pass a group norm: centred, divided by a constant."""
    values, x = call.values, call.input
    groups = split_channels(x, values["num_groups"])
    surrogate = _standardise(groups, tuple(range(2, groups.ndim)), values.get("eps", 1e-5)).flatten(1, 2)
    return with_backward_of(hold(call), _affine(surrogate, values.get("weight"), axes=x.ndim - 2))


def pass_instance_norm(call: Call) -> Tensor:
    """Pass an instance norm: centred, divided by a constant; with fixed statistics it is linear."""
    values, x = call.values, call.input
    if not values.get("use_input_stats", True):
        return call.plain()  # type: ignore[no-any-return]
    surrogate = _standardise(x, tuple(range(2, x.ndim)), values.get("eps", 1e-5))
    return with_backward_of(hold(call), _affine(surrogate, values.get("weight"), axes=x.ndim - 2))


def pass_local_response_norm(call: Call) -> Tensor:
    """Pass a local response norm: divided by a constant."""
    value: Tensor = hold(call)
    return with_backward_of(value, call.input * ratio(value, call.input.detach()))


def pass_normalize(call: Call) -> Tensor:
    """Pass a vector divided by its norm: the norm is a constant."""
    value: Tensor = hold(call)
    norm = torch.linalg.vector_norm(
        call.input.detach(), call.values.get("p", 2.0), call.values.get("dim", 1), keepdim=True
    )
    return with_backward_of(value, call.input / norm.clamp_min(call.values.get("eps", 1e-12)))


def pass_attention(call: Call) -> Tensor:
    """Pass attention to its values: the weights, a softmax, are constants."""
    values = dict(call.values)
    with torch.no_grad():
        value: Tensor = call.plain()
    held = {"query": values.pop("query").detach(), "key": values.pop("key").detach()}
    return with_backward_of(value, F.scaled_dot_product_attention(**held, **values))


def refuse(call: Call) -> Any:  # noqa: ANN401 - what the operation gives
    """Compute what depends on no activation; raise for what does."""
    if any(is_active(value) for value in (*call.args, *call.kwargs.values())):
        raise refusal(call)
    return call.plain()


def refusal(call: Call) -> UsageError:
    """Say that there is no rule for an operation."""
    return UsageError(
        f"Relevance has no rule for the model's operation {call.operation!r}",
        "Take a method that needs none, such as integrated-gradients or rise",
    )


def split_channels(x: Tensor, groups: int) -> Tensor:
    """Split the channels (B, C, *S) in groups: (B, G, C / G, *S)."""
    return x.reshape(len(x), groups, -1, *x.shape[2:])


def _standardise(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * torch.rsqrt(centred.detach().square().mean(axes, keepdim=True) + eps)


def _affine(x: Tensor, weight: Tensor | None, axes: int) -> Tensor:
    """Multiply by a weight that has so many axes after it; the bias has no part in a derivative."""
    return x if weight is None else x * weight.detach().reshape(*weight.shape, *[1] * axes)


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(ELEMENTWISE, pass_elementwise),
    **dict.fromkeys(REFUSED, refuse),
    "pow": pass_power,
    "log_softmax": pass_log_softmax,
    "div": pass_quotient,
    "glu": pass_glu,
    "einsum": pass_einsum,
    "layer_norm": pass_layer_norm,
    "group_norm": pass_group_norm,
    "instance_norm": pass_instance_norm,
    "local_response_norm": pass_local_response_norm,
    "normalize": pass_normalize,
    "attention": pass_attention,
}
#: Operations whose results are constants to relevance.
CONSTANTS = ("softmax", "softmin", "rsqrt", "reciprocal", "rdiv", "var", "std", "norm")
