"""What the methods that change the backward of ReLU have in common.

Operations are replaced one call at a time, so that a rule acts on what reaches the ReLU through its own
result: other consumers of its input are not touched, and functional, in-place and reused ReLUs are as good as
modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor

from foveal.attribution.functions import Call, Handler, Override, check_visible, replace_backward
from foveal.attribution.gradients.gates import Gates
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Operations that bend the signal otherwise than ReLU: no rule is known for them.
_BENDING = (
    "attention", "celu", "elu", "gelu", "glu", "hardshrink", "hardswish", "leaky_relu", "log_sigmoid",
    "log_softmax", "mish", "multi_head_attention", "prelu", "recurrent", "rrelu", "selu", "silu", "softmax",
    "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
)  # fmt: skip

#: Computes a rectifier: its call, what it gives, and where it lets its input through (a mask).
Rectify: TypeAlias = Callable[[Call, Tensor, Tensor], Tensor]

_NO_OTHERS: Mapping[str, Handler] = {}


def rectifying(
    subject: Subject, method: str, rectify: Rectify, *, others: Mapping[str, Handler] = _NO_OTHERS
) -> Override:
    """Make the override that computes every ReLU of a model in a method's own way.

    ReLU with a ceiling (ReLU6, ``hardtanh`` and ``clamp`` from 0) counts as ReLU; it lets nothing through
    where it is full. A sigmoid that weighs features is held constant, see
    :class:`~foveal.attribution.gradients.gates.Gates`. Other nonlinearities are refused where the explained
    unit depends on them, and not where they follow it.

    Parameters
    ----------
    subject
        Whose model it is for.
    method
        Its name, for messages.
    rectify
        Called for every ReLU in the order of the forward, with its call, its plain result (fresh, without a
        graph) and the mask of what it lets through.
    others
        Further operations to replace.

    Raises
    ------
    UsageError
        At once for a model that hides its operations; in the backward for one with other nonlinearities.
    """
    check_visible(subject.model)

    def refuse(call: Call) -> Any:  # noqa: ANN401 - whatever the operation gives
        return _refused(call, method)

    def bounded(call: Call) -> Tensor:
        output, open_ = _plainly(call)
        return rectify(call, output, open_)

    gates = Gates(refuse)
    handlers: dict[str, Handler] = dict.fromkeys(_BENDING, refuse)
    handlers |= dict.fromkeys(("relu", "relu6"), bounded)
    handlers |= {name: _only_rectifiers(bounded, refuse) for name in ("clamp", "hardtanh")}
    handlers |= dict.fromkeys(("sigmoid", "hardsigmoid"), gates.sigmoid)
    return Override({**handlers, "mul": gates.multiply, **others})


def pass_back(call: Call) -> Tensor:
    """Compute an operation that lets what comes back pass as it is."""
    with torch.no_grad():
        output: Tensor = call.plain()
    return replace_backward(call.input, output, lambda signal: signal)


def _plainly(call: Call) -> tuple[Tensor, Tensor]:
    """Compute a rectifier without a graph, and where it lets its input through."""
    with torch.no_grad():
        output: Tensor = call.plain()
    ceiling = _CEILINGS[call.operation](call)
    open_ = output > 0
    return output, open_ if ceiling is None else open_ & (output < ceiling)


#: Rectifier -> above what it gives no more; None for no end.
_CEILINGS: dict[str, Callable[[Call], Any]] = {
    "relu": lambda _call: None,
    "relu6": lambda _call: 6.0,
    "hardtanh": lambda call: call.values.get("max_val", 1.0),
    "clamp": lambda call: call.values.get("max"),
}
#: Operation -> the least that it gives; None for no end.
_FLOORS: dict[str, Callable[[Call], Any]] = {
    "hardtanh": lambda call: call.values.get("min_val", -1.0),
    "clamp": lambda call: call.values.get("min"),
}


def _only_rectifiers(bounded: Handler, refuse: Handler) -> Handler:
    """Tell limits that make a rectifier, from 0 to something, from those that bend; let one-sided ones be."""

    def handle(call: Call) -> Any:  # noqa: ANN401 - whatever the operation gives
        floor, ceiling = _FLOORS[call.operation](call), _CEILINGS[call.operation](call)
        if floor is None or ceiling is None:
            return call.plain()
        rectifies = not isinstance(floor, Tensor) and floor == 0
        return bounded(call) if rectifies else refuse(call)

    return handle


def _refused(call: Call, method: str) -> Any:  # noqa: ANN401 - whatever the operation gives
    """Compute an operation, and refuse the gradient that comes back to it."""

    def raise_(_gradient: Tensor) -> NoReturn:
        raise UsageError(
            f"Method {method!r} has no rule for {call.operation}, which the model uses",
            "Choose a method that takes any activation, such as gradcam or gradient",
        )

    result = call.plain()
    for tensor in result if isinstance(result, tuple) else (result,):
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            tensor.register_hook(raise_)  # type: ignore[no-untyped-call]
    return result
