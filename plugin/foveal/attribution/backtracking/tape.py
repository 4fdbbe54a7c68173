"""One forward, recorded: which operation made which tensor of which.

The tape hears every call through torch's function protocol and runs it as it is, in place where the network
asks for it. Values that are compared later are copied before anything overwrites them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from foveal.attribution.backtracking import branching, moving, passing, pooling, weighted
from foveal.attribution.backtracking.rules import Rule
from foveal.attribution.backtracking.steps import Ref, Step, Tensors, Value
from foveal.attribution.functions import Call
from foveal.attribution.operations import canonical_name, own_name, parameter_names
from foveal.errors import UsageError

#: Canonical name of an operation, or torch's own, to how nodes go back through it.
RULES: Mapping[str, Rule] = {
    **passing.RULES,
    **moving.RULES,
    **weighted.RULES,
    **pooling.RULES,
    **branching.RULES,
}

_ELSEWHERE = "change in place of a view"


class _Mark(torch.autograd.Function):
    """Cuts the gradient graph at a tensor, and notes the gradient that arrives there."""

    @staticmethod
    def forward(
        ctx: Value, _token: Tensor, cotangents: dict[Ref, Tensor], ref: Ref, tensor: Tensor
    ) -> Tensor:
        # The notes alone, not the tape: it holds a marked tensor, and a circle would outlive the forward.
        ctx.cotangents, ctx.ref = cotangents, ref
        ctx.mark_dirty(tensor)
        # An in-place mark lies on top of the tensor's former one, where nothing arrives.
        ctx.set_materialize_grads(False)
        return tensor

    @staticmethod
    def backward(ctx: Value, *gradients: Tensor | None) -> tuple[None, None, None, None]:
        (gradient,) = gradients
        if gradient is not None:
            ctx.cotangents[ctx.ref] = gradient.detach()
        return None, None, None, None


class Tape(TorchFunctionMode):
    """Records the operations of the forward inside the ``with``, in this thread alone.

    Every tensor that is computed from the input is marked, so that the gradient of whatever is made of the
    forward's tensors outside of it (the value of a unit) arrives at those next to it, and no further.

    Parameters
    ----------
    x
        The input (B, C, *S). Outside of ``torch.inference_mode``: its tensors do not tell that they changed.
    wanted
        Tensors to keep the values of, beside those that rules compare; known from an earlier tape.

    Attributes
    ----------
    x
        A copy of the input, known to the tape as its first step; run the network on it.
    steps
        The operations in the order of the forward; the first is the input itself.
    tensors
        Shapes and values of the tensors by name.
    """

    def __init__(self, x: Tensor, wanted: Iterable[Ref] = ()) -> None:
        super().__init__()
        self._wanted = frozenset(wanted)
        self.steps: list[Step] = []
        self._cotangents: dict[Ref, Tensor] = {}
        self._shapes: dict[Ref, torch.Size] = {}
        self._kept: dict[Ref, Tensor] = {}
        self._gates: set[Ref] = set()
        self.tensors = Tensors(self._shapes, self._kept, self._gates, x.device)
        self._dense: list[bool] = []
        self._known = WeakTensorKeyDictionary()
        self._token = torch.zeros((), requires_grad=True)
        self._by_storage: dict[int, list[Ref]] = {}
        self._written: dict[int, Tensor] = {}
        self.x = x.detach().clone()
        self._enter(Call("input", torch.clone, (), {}, {}), [self.x], marked=True)

    def pull(self, value: Tensor) -> dict[Ref, Tensor]:
        """Differentiate a scalar by the tensors next to it."""
        if value.requires_grad:
            torch.autograd.grad(value, self._token, retain_graph=True, allow_unused=True)
        pulled = dict(self._cotangents)
        self._cotangents.clear()
        return pulled

    def sources(self, step: Step) -> tuple[Ref, ...]:
        """Give the tensors that nodes of a step may come from.

        Raises
        ------
        UsageError
            If backtracking cannot follow the operation.
        """
        rule = RULES.get(step.call.operation)
        sources = rule.sources(step.call, self.tensors) if rule else ()
        if not sources:
            raise refusal(step.call.operation)
        return sources

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Value:
        """Run a call, and record it if it takes a tensor that comes from the input."""
        kwargs = kwargs or {}
        named: dict[Ref, Tensor] = {}
        call = _read(func, self._name(args, named), self._name(kwargs, named))
        if not named:
            with torch.no_grad():
                return func(*args, **kwargs)
        moves = self._prepare(call, args, kwargs, named)
        with torch.set_grad_enabled(moves):
            result = func(*args, **kwargs)
        if not moves and not call.in_place:
            result = _own(result)
        outputs = list(_tensors(result)) or ([_target(args, kwargs)] if _mutates(call) else [])
        if outputs:
            self._enter(call, outputs, marked=not moves)
        return result

    def _prepare(
        self, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any], named: Mapping[Ref, Tensor]
    ) -> bool:
        """Keep what the rule compares and the call may overwrite; say whether it only moves numbers."""
        rule = RULES.get(call.operation)
        for ref in rule.keeps(call, self.tensors) if rule else ():
            self._keep(ref, named[ref])
        if _mutates(call):
            self._save(_target(args, kwargs))
        return rule is not None and rule.moves and bool(rule.sources(call, self.tensors))

    def _keep(self, ref: Ref, tensor: Tensor) -> None:
        if ref not in self._kept:
            self._kept[ref] = tensor.detach()
            self._by_storage.setdefault(tensor.untyped_storage().data_ptr(), []).append(ref)

    def _save(self, target: Tensor) -> None:
        """Copy kept values that lie in memory about to be written."""
        place = target.untyped_storage().data_ptr()
        for ref in self._by_storage.pop(place, []):
            self._kept[ref] = self._kept[ref].clone()
        if target not in self._known:
            self._written[place] = target

    def _enter(self, call: Call, outputs: list[Tensor], *, marked: bool) -> None:
        index = len(self.steps)
        shapes = tuple(output.shape for output in outputs)
        rule = RULES.get(call.operation)
        sources = rule.sources(call, self.tensors) if rule else ()
        after = bool(sources) and all(self._dense[ref.step] for ref in sources)
        self.steps.append(Step(call, shapes, self.tensors, after))
        self._dense.append(_DENSE.get(call.operation, _inherited)(shapes[0], after))
        for number, output in enumerate(outputs):
            ref = Ref(index, number)
            self._shapes[ref] = output.shape
            if call.operation in _GATES or (sources and not marked and self._gates.issuperset(sources)):
                self._gates.add(ref)
            if marked and output.is_floating_point():
                self._mark(ref, output, call)
            if ref in self._wanted:
                self._keep(ref, output)
            self._known[output] = (ref, output._version)

    def _mark(self, ref: Ref, output: Tensor, call: Call) -> None:
        try:
            with torch.enable_grad():
                _Mark.apply(self._token, self._cotangents, ref, output)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            # Torch forbids it for one of several views that are written in place.
            raise refusal(f"{call.operation} in place of a view") from error

    def _name(self, value: Value, named: dict[Ref, Tensor]) -> Value:
        """Replace the tensors that come from the input by their names, in any nest of arguments."""
        if isinstance(value, Tensor):
            ref = self._ref(value)
            if ref is None:
                return value
            named[ref] = value
            return ref
        if isinstance(value, dict):
            return {key: self._name(one, named) for key, one in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._name(one, named) for one in value)
        return value

    def _ref(self, tensor: Tensor) -> Ref | None:
        known = self._known.get(tensor)  # type: ignore[no-untyped-call]
        if known is None:
            return self._foreign(tensor)
        ref, version = known
        if tensor._version != version:
            self._enter(Call(_ELSEWHERE, torch.clone, (), {}, {}), [tensor], marked=False)
            ref = self._known[tensor][0]
        return Ref(*ref)

    def _foreign(self, tensor: Tensor) -> Ref | None:
        """Tell constants from tensors that come from the input on ways that the tape does not see."""
        if tensor.grad_fn is not None and _leads_to_mark(tensor.grad_fn):
            raise UsageError(
                "The network computes where torch's function protocol does not show it",
                "Give a plain eager network, or choose a method that takes any, such as occlusion or rise",
            )
        if self._written and tensor.untyped_storage().data_ptr() in self._written:
            raise refusal(_ELSEWHERE)
        return None


def refusal(operation: str) -> UsageError:
    """Say that backtracking cannot follow an operation."""
    return UsageError(
        f"Backtracking cannot follow the operation {operation!r}",
        "Choose a method that takes any network, such as occlusion or rise",
    )


def _inherited(_shape: torch.Size, after: bool) -> bool:
    return after


#: Operations whose results lie between 0 and 1: whatever they are multiplied with is scaled by them.
_GATES = frozenset(("sigmoid", "hardsigmoid"))

#: Whether what an operation gives comes out of a fully connected layer; others hand on what they take.
_DENSE: dict[str, Callable[[torch.Size, bool], bool]] = {
    "linear": lambda shape, _after: len(shape) == 2,
    "matmul": lambda shape, _after: len(shape) == 2,
    "conv": lambda _shape, _after: False,
}


def _read(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    operation = canonical_name(func)
    if operation is None:
        return Call(_name_of(func), func, args, kwargs, {})
    values = dict(zip(parameter_names(operation, func), args, strict=False))
    values |= {("input" if name == "self" else name): value for name, value in kwargs.items()}
    if operation == "max" and isinstance(values.get("other"), (Ref, Tensor)):
        operation = "maximum"
    # A result written elsewhere is none of the rules' cases.
    return Call(operation if "out" not in kwargs else f"{operation} with out", func, args, kwargs, values)


def _name_of(func: Callable[..., Any]) -> str:
    """Give torch's own name of a function; of a property its own, of an in-place twin the plain one."""
    name = own_name(func).rpartition("::")[2]
    if name in ("__get__", "__set__"):
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return name if name.startswith("__") or not name.endswith("_") else name[:-1]


def _mutates(call: Call) -> bool:
    return call.in_place or call.operation == "__setitem__" or "out" in call.kwargs


def _target(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Give the tensor that a call writes into."""
    return next(_tensors([kwargs.get("out"), *args, *kwargs.values()]))


def _own(result: Value) -> Value:
    """Take results out of torch's book of views: what is made without gradients cannot be marked there."""
    if isinstance(result, Tensor):
        return result.detach() if result._is_view() else result
    return type(result)(_own(one) for one in result) if isinstance(result, (tuple, list)) else result


def _tensors(result: Value) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for one in result:
            yield from _tensors(one)


def _leads_to_mark(node: Value) -> bool:
    """Whether a gradient graph leads to a tensor of the tape."""
    seen, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        if type(one).__name__ == "_MarkBackward":
            return True
        seen.add(one)
        waiting += [following for following, _ in one.next_functions]
    return False
