"""How a method replaces torch's operations for one forward.

Every road to an operation passes through torch's function protocol, so that an :class:`Override` sees them
all: modules and plain calls, in place or not, once or many times. It holds for the current thread alone and
changes nothing about the model. TorchScript takes no such road: see :func:`check_visible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from foveal.attribution.operations import canonical_name, own_name, parameter_names
from foveal.errors import UsageError


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation during a forward.

    Attributes
    ----------
    operation
        Its canonical name.
    function, args, kwargs
        The call as the network made it.
    values
        Its arguments by canonical parameter name; what the network left to the default is missing.
    """

    operation: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    values: Mapping[str, Any]

    @property
    def input(self) -> Tensor:
        """The operation's first tensor."""
        tensor: Tensor = self.values["input"]
        return tensor

    @property
    def in_place(self) -> bool:
        """Whether the network asked for the result in the input's own memory."""
        name = own_name(self.function)
        marked = name.endswith("_") and not name.endswith("__")
        return marked or name.startswith("__i") or bool(self.kwargs.get("inplace"))

    def plain(self) -> Any:  # noqa: ANN401 - whatever the operation gives
        """Compute what the network asked for, the input left as it was."""
        if not self.in_place:
            return self.function(*self.args, **self.kwargs)
        if self.args:
            first, *rest = self.args
            return self.function(first.clone(), *rest, **self.kwargs)
        name = "self" if "self" in self.kwargs else "input"
        return self.function(**{**self.kwargs, name: self.input.clone()})


#: Computes an operation in a method's own way. It runs with its override off.
Handler: TypeAlias = Callable[[Call], Any]


class Override(TorchFunctionMode):
    """Replace operations for every forward inside the ``with``, in this thread alone.

    Parameters
    ----------
    handlers
        Canonical name -> what computes it. The name ``relu`` stands for every rectifier: ``clamp(min=0)``
        and ``threshold(0, 0)`` too. A result asked for in place is written into the input's memory.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        super().__init__()
        self._handlers = handlers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's own signature
        """Hand a call that has a handler to it; let every other pass."""
        kwargs = kwargs or {}
        operation = canonical_name(func)
        if operation is None:
            return func(*args, **kwargs)
        call = read_call(operation, func, args, kwargs)
        handler = self._handlers.get(call.operation)
        if handler is None:
            return func(*args, **kwargs)
        result = handler(call)
        target = call.input if call.in_place else kwargs.get("out")
        return result if target is None else target.copy_(result)


def read_call(
    operation: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Call:
    """Bind a call's arguments to canonical names, and recognise rectifiers in disguise."""
    values = dict(zip(parameter_names(operation, function), args, strict=False))
    values |= {("input" if name == "self" else name): value for name, value in kwargs.items()}
    rectifies = _floating(values.get("input")) and _DISGUISES.get(operation, _never)(values)
    # Where the network names a place for the result, the override fills it.
    rest = {name: value for name, value in kwargs.items() if name != "out"}
    return Call("relu" if rectifies else operation, function, args, rest, values)


def _never(_values: Mapping[str, Any]) -> bool:
    return False


def _floating(value: object) -> bool:
    """Tell whether a value can carry a signal: indices can be clamped too."""
    return isinstance(value, Tensor) and value.is_floating_point()


def _zero(value: object) -> bool:
    return not isinstance(value, Tensor) and value is not None and value == 0


def _nought(value: object) -> bool:
    """Tell whether a value is a constant tensor of zeros."""
    return isinstance(value, Tensor) and not value.requires_grad and not value.any()


#: Operations that are a ReLU for some arguments.
_DISGUISES: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "clamp": lambda values: _zero(values.get("min")) and values.get("max") is None,
    "clamp_min": lambda values: _zero(values.get("min")),
    "threshold": lambda values: _zero(values.get("threshold")) and _zero(values.get("value")),
    "maximum": lambda values: _nought(values.get("other")),
    "max": lambda values: _nought(values.get("other")),
}


class _Replaced(torch.autograd.Function):
    """A computed result with a backward of the method's own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(_tensor: Tensor, output: list[Tensor], _rule: Rule) -> Tensor:
        return output.pop()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:  # noqa: ANN401, ARG004 - torch's
        ctx.rule = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - torch's
        # The backward may run inside the override: what the rule computes is not the network's.
        with torch._C.DisableTorchFunction():
            return ctx.rule(gradient), None, None


#: Gradient of an operation's result to the gradient of its input, both of their tensors' shapes.
Rule: TypeAlias = Callable[[Tensor], Tensor]


def replace_backward(tensor: Tensor, output: Tensor, rule: Rule) -> Tensor:
    """Let a result depend on one tensor through a rule instead of its derivative.

    Parameters
    ----------
    tensor
        What gradients go to.
    output
        The result, fresh: neither a view nor `tensor` itself. Its own graph is left out.
    rule
        Gradient of the result to the gradient of `tensor`. It must not hold tensors that the network may
        change in place, such as `output`; it is called with overrides off, and under ``vmap`` for many units.

    Returns
    -------
    Tensor
        The result, its backward replaced.
    """
    # In a list, so that torch takes it for something made in the forward: it may be changed in place later.
    result: Tensor = _Replaced.apply(tensor, [output.detach()], rule)  # type: ignore[no-untyped-call]
    return result


def check_visible(model: nn.Module) -> None:
    """Raise a UsageError where a part of the model hides its operations from overrides.

    Raises
    ------
    UsageError
        For a part that is TorchScript, compiled, or no module of torch at all.
    """
    for name, module in model.named_modules():
        compiled = next((kind for kind, made in _HIDING.items() if made(module)), None)
        if compiled is not None:
            part = f"Layer {name!r} of the model" if name else "The model"
            raise UsageError(
                f"{part} is {compiled} and hides its operations",
                "Give the eager model, or choose a method that leaves operations alone, such as gradcam",
            )


#: How a part hides -> whether a module does.
_HIDING: Mapping[str, Callable[[nn.Module], bool]] = {
    "TorchScript": lambda module: isinstance(module, torch.jit.ScriptModule),
    "compiled": lambda module: hasattr(module, "_orig_mod") or module._compiled_call_impl is not None,
    "no module of torch": lambda module: hasattr(module, "predict") and hasattr(module, "pinned"),
    "an exported program": lambda module: hasattr(module, "spills") and hasattr(module, "graph"),
}
