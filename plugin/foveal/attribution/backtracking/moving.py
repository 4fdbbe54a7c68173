"""Operations that put numbers elsewhere: nodes are found by sending the positions through the same call.

Concatenation is one of them: a node goes to the branch that owns its channel.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.rules import Choices, Rule, nothing
from foveal.attribution.backtracking.steps import Ref, Step, Tensors, Value
from foveal.attribution.functions import Call

_MOVES = (
    "view reshape flatten unflatten ravel permute transpose swapaxes swapdims t T mT H mH adjoint movedim "
    "moveaxis squeeze unsqueeze expand repeat tile repeat_interleave broadcast_to __getitem__ select "
    "narrow index_select gather take_along_dim unbind split split_with_sizes chunk tensor_split cat stack "
    "hstack vstack dstack concat flip fliplr flipud roll rot90 pad pixel_shuffle pixel_unshuffle "
    "channel_shuffle native_channel_shuffle unfold diagonal tril triu clone contiguous"
)

#: Names under which the moved tensors may be handed over.
_MAIN = ("input", "tensors", "self")


def _sources(call: Call, _tensors: Tensors) -> tuple[Ref, ...]:
    main, rest = _split(call)
    # A tensor of the forward that is not moved itself decides where others go: that is not followed.
    return tuple(_refs(main)) if not call.in_place and not any(_refs(rest)) else ()


def _nearest(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    mode = call.kwargs.get("mode", call.args[3] if len(call.args) > 3 else "nearest")
    return _sources(call, tensors) if mode in ("nearest", "nearest-exact") else ()


def _follow(step: Step, output: int, carried: Carried, _choices: Choices) -> list[tuple[Ref, Carried]]:
    sources = list(dict.fromkeys(_refs(_split(step.call)[0])))
    starts, total = {}, 1
    for source in sources:
        starts[source] = total
        total += step.tensors.shapes[source].numel()
    came = _replay(step, starts, carried.positions.device)[output].reshape(-1)[carried.positions].long()
    found = []
    for source, start in starts.items():
        there = (came >= start) & (came < start + step.tensors.shapes[source].numel())
        found.append((source, carried.take(there).moved(came[there] - start)))
    return found


def _replay(step: Step, starts: dict[Ref, int], device: torch.device) -> list[Tensor]:
    """Send numbers counted from 1 through the call: whatever is 0 afterwards came from no node."""
    call = step.call

    def counted(value: Value) -> Value:
        if isinstance(value, Ref):
            shape = step.tensors.shapes[value]
            numbers = torch.arange(shape.numel(), dtype=torch.float64, device=device) + starts[value]
            return numbers.view(shape)
        if isinstance(value, Tensor):
            return torch.zeros(value.shape, dtype=torch.float64, device=device)
        return type(value)(counted(one) for one in value) if isinstance(value, (tuple, list)) else value

    args = tuple(counted(value) if place == 0 else value for place, value in enumerate(call.args))
    kwargs = {name: counted(value) if name in _MAIN else value for name, value in call.kwargs.items()}
    if call.operation == "pad":
        kwargs |= {"value": 0.0} if "value" in kwargs else {}
    result = call.function(*args, **kwargs)
    return [result] if isinstance(result, Tensor) else list(result)


def _split(call: Call) -> tuple[list[Value], list[Value]]:
    main = [*call.args[:1], *(value for name, value in call.kwargs.items() if name in _MAIN)]
    rest = [*call.args[1:], *(value for name, value in call.kwargs.items() if name not in _MAIN)]
    return main, rest


def _refs(value: Value) -> Iterable[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _refs(one)


RULES = {
    **dict.fromkeys(_MOVES.split(), Rule(_sources, _follow, nothing, moves=True)),
    **dict.fromkeys(("interpolate", "upsample_nearest"), Rule(_nearest, _follow, nothing, moves=True)),
}
