"""DeepLIFT's forward: each operation that is not linear meets the reference's, and takes its multiplier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from foveal.attribution.functions import Call, Override
from foveal.attribution.propagation import attended, rescale
from foveal.attribution.propagation.graph import is_active
from foveal.attribution.propagation.linear import Linear, read_conv, read_conv_transpose, read_linear
from foveal.attribution.propagation.nonlinear import ELEMENTWISE, evaluate, hold, split_channels
from foveal.attribution.propagation.rescale import Pair
from foveal.attribution.propagation.rules import with_backward_of
from foveal.errors import UsageError

#: The call in the sample's forward, and its tensors paired with the reference's, to the result.
Pass: TypeAlias = Callable[[Call, Sequence[Pair]], Any]


@dataclass(eq=False)
class Difference:
    """A forward of the reference, recorded, and the handlers of a forward that is compared with it."""

    _calls: list[tuple[str, list[Tensor]]] = field(default_factory=list)
    _next: int = 0

    def record(self) -> Override:
        """Give the context for the reference's forward."""
        return Override(dict.fromkeys((*PASSES, *REFUSED), self._note))

    def compare(self) -> Override:
        """Give the context for the sample's forward."""
        self._next = 0
        linear = {name: partial(_linear, read) for name, read in _LINEAR.items()}
        passes, refused = dict.fromkeys(PASSES, self._pass), dict.fromkeys(REFUSED, self._refuse)
        return Override({**linear, **passes, **refused})

    def _note(self, call: Call) -> Any:  # noqa: ANN401 - what the operation gives
        self._calls.append((call.operation, [one.detach().clone() for one in _operands(call)]))
        return call.plain()

    def _pass(self, call: Call) -> Any:  # noqa: ANN401 - what the operation gives
        pairs = self._meet(call)
        if not torch.is_grad_enabled() or not any(is_active(pair.now) for pair in pairs):
            return call.plain()
        return PASSES[call.operation](call, pairs)

    def _refuse(self, call: Call) -> Any:  # noqa: ANN401 - what the operation gives
        self._meet(call)
        if any(is_active(value) for value in _tensors(call)):
            raise _refusal(call)
        return call.plain()

    def _meet(self, call: Call) -> list[Pair]:
        """Pair a call's operands with those of the same call in the reference's forward."""
        operation, operands = self._calls[self._next % len(self._calls)]
        self._next += 1
        now = _operands(call)
        if operation != call.operation or [one.shape for one in now] != [one.shape for one in operands]:
            raise UsageError(
                "The model takes another path for the reference than for the sample",
                "Choose another baseline, or a method that needs none, such as lrp",
            )
        return [Pair(one, other) for one, other in zip(now, operands, strict=True)]


def _operands(call: Call) -> list[Tensor]:
    if call.operation in _ATTENTION:
        return attended.operands(call)
    return [value for name in ("input", "other") if isinstance(value := call.values.get(name), Tensor)]


def _tensors(call: Call) -> list[object]:
    nested = [value for group in call.args if isinstance(group, list | tuple) for value in group]
    return [*call.args, *call.kwargs.values(), *nested]


def _refusal(call: Call) -> UsageError:
    return UsageError(
        f"DeepLIFT has no rule for the model's operation {call.operation!r}",
        "Take a method that needs none, such as integrated-gradients or rise",
    )


def _linear(read: Callable[[Call], Linear], call: Call) -> Tensor:
    """Compute a linear operation as it is, of a copy: the network may go on with its input in place."""
    if is_active(call.values["weight"]):
        raise _refusal(call)
    one = read(call)
    return with_backward_of(hold(call), one.run(one.x.clone(), one.weight))


def _elementwise(call: Call, pairs: Sequence[Pair]) -> Tensor:
    return rescale.elementwise(pairs[0], lambda z: evaluate(call, z)).now


def _power(call: Call, pairs: Sequence[Pair]) -> Tensor:
    if len(pairs) > 1 or isinstance(call.values.get("exponent"), Tensor):
        raise _refusal(call)
    return _elementwise(call, pairs)


def _product(call: Call, pairs: Sequence[Pair]) -> Any:  # noqa: ANN401 - what the operation gives
    if sum(is_active(pair.now) for pair in pairs) < 2:
        return call.plain()
    times = torch.matmul if call.operation == "matmul" else torch.mul
    return rescale.product(pairs[0], pairs[1], times).now


def _quotient(call: Call, pairs: Sequence[Pair]) -> Any:  # noqa: ANN401 - what the operation gives
    if not is_active(call.values.get("other")):
        return call.plain()
    if call.values.get("rounding_mode") is not None:
        raise _refusal(call)
    dividend, divided_by = pairs
    return rescale.product(dividend, rescale.elementwise(divided_by, torch.reciprocal)).now


def _softmax(call: Call, pairs: Sequence[Pair]) -> Tensor:
    return rescale.softmax(pairs[0], call.values.get("dim", -1)).now


def _log_softmax(call: Call, pairs: Sequence[Pair]) -> Tensor:
    axis, pair = call.values.get("dim", -1), pairs[0]
    return (pair - rescale.log_sum_exp(pair, axis)).now


def _layer_norm(call: Call, pairs: Sequence[Pair]) -> Tensor:
    axes = tuple(range(-len(tuple(call.values["normalized_shape"])), 0))
    return _affine(call, rescale.standardise(pairs[0], axes, call.values.get("eps", 1e-5)).now, 0)


def _group_norm(call: Call, pairs: Sequence[Pair]) -> Tensor:
    groups = pairs[0].map(partial(split_channels, groups=call.values["num_groups"]))
    axes = tuple(range(2, groups.now.ndim))
    standard = rescale.standardise(groups, axes, call.values.get("eps", 1e-5)).now.flatten(1, 2)
    return _affine(call, standard, standard.ndim - 2)


def _instance_norm(call: Call, pairs: Sequence[Pair]) -> Any:  # noqa: ANN401 - what the operation gives
    if not call.values.get("use_input_stats", True):
        return call.plain()
    axes = tuple(range(2, pairs[0].now.ndim))
    return _affine(call, rescale.standardise(pairs[0], axes, call.values.get("eps", 1e-5)).now, len(axes))


def _affine(call: Call, x: Tensor, further: int) -> Tensor:
    """Apply a norm's weight and bias, which have so many axes after them."""
    weight, bias = call.values.get("weight"), call.values.get("bias")
    scaled = x if weight is None else x * weight.reshape(*weight.shape, *[1] * further)
    return scaled if bias is None else scaled + bias.reshape(*bias.shape, *[1] * further)


def _glu(call: Call, pairs: Sequence[Pair]) -> Tensor:
    axis = call.values.get("dim", -1)
    first, second = pairs[0].map(lambda t: t.chunk(2, axis)[0]), pairs[0].map(lambda t: t.chunk(2, axis)[1])
    return rescale.product(first, rescale.elementwise(second, torch.sigmoid)).now


def _max_pool(call: Call, pairs: Sequence[Pair]) -> Any:  # noqa: ANN401 - what the operation gives
    settings = {k: value for k, value in call.values.items() if k not in {"input", "return_indices"}}
    pool = _POOLS[call.operation][pairs[0].now.ndim - 2]
    passed = rescale.maximum(pairs[0], lambda t: pool(t, **settings, return_indices=True)).now
    plain = call.plain()
    return (passed, plain[1]) if isinstance(plain, tuple) else passed


def _amax(call: Call, pairs: Sequence[Pair]) -> Tensor:
    axes = call.values.get("dim")
    chosen = axes if isinstance(axes, list | tuple) else () if axes is None else (axes,)
    return _largest(pairs[0], chosen, keep=call.values.get("keepdim", False))


def _max(call: Call, pairs: Sequence[Pair]) -> Any:  # noqa: ANN401 - what the operation gives
    if len(pairs) > 1:
        one, other = pairs
        both = Pair(torch.stack([one.now, other.now], -1), torch.stack([one.then, other.then], -1))
        return _largest(both, (-1,), keep=False)
    axis, plain = call.values.get("dim", call.values.get("other")), call.plain()
    if axis is None:
        return _largest(pairs[0], (), keep=False)
    passed = _largest(pairs[0], (axis,), keep=plain.values.ndim == call.input.ndim)
    return type(plain)((passed, plain.indices))


def _largest(pair: Pair, chosen: Sequence[int], *, keep: bool) -> Tensor:
    """Pass the largest values along some axes; along all where none is chosen."""
    axes = [axis % pair.now.ndim for axis in chosen] or list(range(pair.now.ndim))
    rest = [axis for axis in range(pair.now.ndim) if axis not in axes]
    sides = [1 if axis in axes else side for axis, side in enumerate(pair.now.shape)]
    rows = pair.map(lambda t: t.permute(*rest, *axes).flatten(len(rest)).reshape(1, prod(sides), -1))
    passed = rescale.maximum(rows, lambda t: t.max(-1, keepdim=True)).now.reshape(sides)
    return passed if keep else passed.reshape([sides[axis] for axis in rest])


_ATTENTION = ("attention", "multi_head_attention")
_LINEAR: Mapping[str, Callable[[Call], Linear]] = {
    "linear": read_linear,
    "conv": read_conv,
    "conv_transpose": read_conv_transpose,
}
_POOLS: Mapping[str, Mapping[int, Callable[..., tuple[Tensor, Tensor]]]] = {
    "max_pool": {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d},
    "adaptive_max_pool": {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d},
}

PASSES: Mapping[str, Pass] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "rrelu", "abs"), _elementwise),
    **dict.fromkeys(("log", "log2", "log10", "rsqrt", "reciprocal", "rdiv"), _elementwise),
    "pow": _power,
    "mul": _product,
    "matmul": _product,
    "div": _quotient,
    "glu": _glu,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "max_pool": _max_pool,
    "adaptive_max_pool": _max_pool,
    "amax": _amax,
    "max": _max,
    "maximum": _max,
    "attention": attended.pass_attention,
    "multi_head_attention": attended.pass_multi_head,
}
#: Operations that are not linear and have no rule.
REFUSED = (
    "recurrent", "einsum", "bilinear", "cosine_similarity", "normalize",
    "norm", "var", "std", "logsumexp", "prod", "cumprod", "softmin", "local_response_norm", "min",
    "minimum", "amin",
)  # fmt: skip
