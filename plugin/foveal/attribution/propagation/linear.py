"""One linear operation of a forward, whatever its kind: y = run(x, weight) + bias.

Dense layers, convolutions of any dimension, stride, dilation and groups, transposed ones, products with a
constant matrix and batch norms in eval mode are all of this form, so that a rule is written once. A batch
norm that follows a convolution is multiplied into its weight, on copies: only then do signs of weights mean
anything. A weight that was computed from the input is a constant to relevance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.functions import Call

#: Input and weight to the output without bias; linear in both.
Run: TypeAlias = Callable[[Tensor, Tensor], Tensor]
#: Weight and a factor per output channel (channels,) to the weight of the scaled operation.
Scale: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear operation at work on one input.

    Attributes
    ----------
    kind
        ``linear``, ``conv`` or ``batch_norm``: what a composite chooses rules by.
    x
        Its input, with its graph.
    weight
        The weight, detached.
    bias
        The bias, detached, of a shape that adds to the output; None where there is none.
    run
        Input and weight to the output without bias.
    scale
        How a factor per output channel goes into the weight.
    axis
        Where the output has its channels, counted from its end.
    index
        Which of the forward's linear operations it is, counted from 0; the same in every forward.
    value
        The output, if it was computed already.
    """

    kind: str
    x: Tensor
    weight: Tensor
    bias: Tensor | None
    run: Run
    scale: Scale
    axis: int = -1
    index: int = 0
    value: Tensor | None = None

    @cached_property
    def signal(self) -> Tensor:
        """The output without bias, with its graph."""
        return self.run(self.x, self.weight)

    @cached_property
    def output(self) -> Tensor:
        """The output, detached."""
        if self.value is not None:
            return self.value.detach()
        signal = self.signal.detach()
        return signal if self.bias is None else signal + self.bias

    def contributions(self) -> tuple[Tensor, Tensor]:
        """Sum the positive and the negative contributions x_i w_ij to every output, with their graphs."""
        rises, falls = self.weight.clamp(min=0), self.weight.clamp(max=0)
        below = self.x.detach() < 0
        if not below.any():
            return self.run(self.x, rises), self.run(self.x, falls)
        up, down = self.x * ~below, self.x * below
        return self.run(up, rises) + self.run(down, falls), self.run(up, falls) + self.run(down, rises)

    def bias_parts(self) -> tuple[Tensor | float, Tensor | float]:
        """Split the bias in its positive and its negative part."""
        return (0.0, 0.0) if self.bias is None else (self.bias.clamp(min=0), self.bias.clamp(max=0))

    def scaled(self, factor: Tensor, shift: Tensor) -> Linear | None:
        """Multiply and lift each output channel (channels,), as a batch norm does; None where it cannot."""
        if self.x.ndim + self.axis != 1:
            return None
        channels = (-1, *[1] * (-1 - self.axis))
        lifted = shift.reshape(channels)
        bias = lifted if self.bias is None else self.bias * factor.reshape(channels) + lifted
        return replace(self, weight=self.scale(self.weight, factor), bias=bias, value=None)


def read_linear(call: Call) -> Linear:
    """Read a dense layer's call."""
    x, weight = call.input, call.values["weight"].detach()
    return Linear("linear", x, weight, _detached(call.values.get("bias")), F.linear, scale_rows)


def read_conv(call: Call) -> Linear:
    """Read a convolution's call."""
    return _convolution(call, _CONVS, scale_rows)


def read_conv_transpose(call: Call) -> Linear:
    """Read a transposed convolution's call."""
    groups = call.values.get("groups", 1)
    return _convolution(call, _TRANSPOSED, lambda weight, factor: _scale_columns(weight, factor, groups))


def read_product(x: Tensor, matrix: Tensor, *, on_the_left: bool) -> Linear:
    """Read a matrix product with a constant, on either side of the activations."""
    if on_the_left:
        return Linear("linear", x, matrix.detach(), None, _multiply_from_left, _scale_second_last, -2)
    return Linear("linear", x, matrix.detach(), None, torch.matmul, torch.mul)


def read_batch_norm(call: Call) -> Linear:
    """Read a batch norm's call as a factor and a shift per channel."""
    factor, shift = batch_norm_terms(call)
    channels = (-1, *[1] * (call.input.ndim - 2))
    weight, bias = factor.reshape(channels), shift.reshape(channels)
    return Linear("batch_norm", call.input, weight, bias, torch.mul, scale_rows, 1 - call.input.ndim)


def batch_norm_terms(call: Call) -> tuple[Tensor, Tensor]:
    """Give a batch norm's factor and shift (channels,), its statistics taken as constants."""
    values = call.values
    mean, variance = values.get("running_mean"), values.get("running_var")
    if mean is None or variance is None or values.get("training"):
        axes = [axis for axis in range(call.input.ndim) if axis != 1]
        variance, mean = torch.var_mean(call.input.detach(), axes, correction=0)
    factor = torch.rsqrt(variance + values.get("eps", 1e-5))
    weight, bias = _detached(values.get("weight")), _detached(values.get("bias"))
    factor = factor if weight is None else factor * weight
    return factor, -mean * factor if bias is None else bias - mean * factor


#: What a convolution of so many spatial axes is computed by.
_CONVS: Mapping[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: Mapping[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


def _convolution(call: Call, functions: Mapping[int, Callable[..., Tensor]], scale: Scale) -> Linear:
    weight, bias = call.values["weight"].detach(), _detached(call.values.get("bias"))
    settings = {k: value for k, value in call.values.items() if k not in {"input", "weight", "bias"}}
    function = functions[weight.ndim - 2]

    def run(x: Tensor, weight: Tensor) -> Tensor:
        return function(x, weight, None, **settings)

    spread = None if bias is None else bias.reshape(-1, *[1] * (weight.ndim - 2))
    return Linear("conv", call.input, weight, spread, run, scale, 1 - weight.ndim)


def scale_rows(weight: Tensor, factor: Tensor) -> Tensor:
    """Scale a weight whose first axis is the output channels."""
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))


def _multiply_from_left(x: Tensor, weight: Tensor) -> Tensor:
    return torch.matmul(weight, x)


def _scale_second_last(weight: Tensor, factor: Tensor) -> Tensor:
    return weight * factor[:, None]


def _scale_columns(weight: Tensor, factor: Tensor, groups: int) -> Tensor:
    """Scale the second axis, whose outputs a transposed convolution counts within each group."""
    blocks = weight.reshape(groups, -1, *weight.shape[1:])
    return (blocks * factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)


def _detached(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach()
