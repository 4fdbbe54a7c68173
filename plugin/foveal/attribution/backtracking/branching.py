"""Sums and products of two tensors: residual connections, scales, gates."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.rules import Choices, Rule
from foveal.attribution.backtracking.steps import Ref, Step, Tensors, Value, argument, broadcast_positions
from foveal.attribution.functions import Call


def _operands(call: Call) -> tuple[Value, Value]:
    return argument(call, 0, "input"), argument(call, 1, "other")


def _both(call: Call, _tensors: Tensors) -> tuple[Ref, ...]:
    """Come from either operand; two names for one tensor are one source."""
    return tuple(dict.fromkeys(one for one in _operands(call) if isinstance(one, Ref)))


def _compared(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    refs = _both(call, tensors)
    return refs if len(refs) > 1 else ()


def _follow_sum(step: Step, _output: int, carried: Carried, _choices: Choices) -> list[tuple[Ref, Carried]]:
    """Follow the branch that adds more at the node; a constant adds to every node alike."""
    one, other = _operands(step.call)
    scale = argument(step.call, 2, "alpha", 1) * (-1 if step.call.operation == "sub" else 1)
    terms = [(ref, factor) for ref, factor in ((one, 1), (other, scale)) if isinstance(ref, Ref)]
    if len(terms) == 1:
        return [_into(step, terms[0], carried)]
    adds = [factor * _at(step, ref, carried.positions) for ref, factor in terms]
    second = adds[1] * carried.signs > adds[0] * carried.signs
    return [_into(step, terms[0], carried.take(~second)), _into(step, terms[1], carried.take(second))]


def _follow_extreme(
    step: Step, _output: int, carried: Carried, _choices: Choices
) -> list[tuple[Ref, Carried]]:
    """Follow the operand that is the maximum (or minimum) at the node; a constant stops it."""
    turn = 1 if step.call.operation == "maximum" else -1
    one, other = _operands(step.call)
    values = [_at(step, operand, carried.positions) * turn for operand in (one, other)]
    second = values[1] > values[0]
    parts = ((one, carried.take(~second)), (other, carried.take(second)))
    return [_into(step, (ref, 1), part) for ref, part in parts if isinstance(ref, Ref)]


def _scaled(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    """Come from the tensor that is scaled: beside a constant or a gate."""
    one, other = _operands(call)
    if not isinstance(other, Ref):
        return (one,) if isinstance(one, Ref) else ()
    if call.operation == "div":
        return _gated((one, other), tensors) if isinstance(one, Ref) else ()
    if not isinstance(one, Ref):
        return (other,)
    return _gated((one, other), tensors) or _gated((other, one), tensors)


def _gated(pair: tuple[Ref, Ref], tensors: Tensors) -> tuple[Ref, ...]:
    """Come from the first, where the second is smaller, or comes out of a sigmoid and the first does not."""
    sizes = [tensors.shapes[ref].numel() for ref in pair]
    opened = [ref in tensors.gates for ref in pair]
    return pair[:1] if sizes[0] > sizes[1] or (sizes[0] == sizes[1] and opened == [False, True]) else ()


def _gates(call: Call, tensors: Tensors) -> tuple[Ref, ...]:
    source = _scaled(call, tensors)
    return tuple(ref for ref in _both(call, tensors) if source and ref != source[0])


def _follow_scale(step: Step, _output: int, carried: Carried, _choices: Choices) -> list[tuple[Ref, Carried]]:
    (source,) = _scaled(step.call, step.tensors)
    one, other = _operands(step.call)
    factor = other if one == source and isinstance(one, Ref) else one
    scale = _at(step, factor, carried.positions)
    signs = carried.signs * scale.sign().long()
    return [_into(step, (source, 1), carried.moved(carried.positions, signs))]


def _at(step: Step, operand: Value, positions: Tensor) -> Tensor:
    """Read an operand at flat positions of the result; a plain number is the same everywhere."""
    if not isinstance(operand, (Ref, Tensor)):
        return torch.full(positions.shape, float(operand), dtype=torch.float64, device=positions.device)
    values = step.tensors.value(operand) if isinstance(operand, Ref) else operand
    return values.flatten()[broadcast_positions(positions, step.shapes[0], values.shape)]


def _into(step: Step, term: tuple[Ref, float], carried: Carried) -> tuple[Ref, Carried]:
    ref, factor = term
    positions = broadcast_positions(carried.positions, step.shapes[0], step.tensors.shapes[ref])
    turn = int(factor > 0) - int(factor < 0)
    return ref, carried.moved(positions, carried.signs * turn)


RULES = {
    **dict.fromkeys(("add", "sub"), Rule(_both, _follow_sum, _compared)),
    **dict.fromkeys(("maximum", "minimum"), Rule(_both, _follow_extreme, _both)),
    **dict.fromkeys(("mul", "div"), Rule(_scaled, _follow_scale, _gates)),
}
