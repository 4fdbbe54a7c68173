"""Products of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from foveal.onnx_graphs.cotangents import Cotangent, Picked, Spread, Value
from foveal.onnx_graphs.extents import ONE, Shape
from foveal.onnx_graphs.stepping import Step, rule


@rule("Gemm", lazy=True, picked=True)
def gemm(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by the transpose of the other factor."""
    alpha = float(step.attribute("alpha", 1.0))
    flips = [bool(step.attribute(name, 0)) for name in ("transA", "transB")]
    factors = [_turned(step, step.input(place)) if flips[place] else step.input(place) for place in (0, 1)]
    found: dict[int, Cotangent] = {}
    for place, back in ((0, _left), (1, _right)):
        if place in step.wanted:
            part = back(step, g, factors[0], factors[1])
            part = part.moved([1, 0]) if flips[place] else part
            found[place] = part if alpha == 1 else part.scaled(alpha)
    if 2 in step.wanted:
        found[2] = g.scaled(float(step.attribute("beta", 1.0))).reduced(step.shape(2))
    return found


@rule("MatMul", lazy=True, picked=True)
def matmul(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Multiply by the transpose of the other factor, batch by batch."""
    factors = step.input(0), step.input(1)
    if min(len(one.shape) for one in factors) < 2:
        raise step.refusal("one of its factors is a vector")
    backs = {0: _left, 1: _right}
    return {place: backs[place](step, g, *factors).reduced(step.shape(place)) for place in step.wanted}


def _left(step: Step, g: Cotangent, left: Value, right: Value) -> Cotangent:
    """Go back to the left factor: g times the right one, transposed."""
    last = len(g.shape) - 1
    shape = (*g.shape[:-1], left.shape[-1])
    lazy = g.lazy.get(last)
    if isinstance(lazy, Picked) and len(g.shape) == len(right.shape) == 2:
        rows = step.writer.op("Gather", _turned(step, right).name, lazy.indices, axis=0)
        bare = replace(g, shape=shape, lazy={a: one for a, one in g.lazy.items() if a != last})
        return bare.renamed(step.writer.op("Mul", g.name, rows))
    found = g.whole([last, *_picked(g)])
    turned = _turned(step, right)
    found, name = _matched(found, turned, keep=[-1, -2])
    product = step.writer.op("MatMul", found.name, name)
    return replace(found.renamed(product, _long_batches(found, right)), shape=shape)


def _right(step: Step, g: Cotangent, left: Value, right: Value) -> Cotangent:
    """Go back to the right factor: the left one, transposed, times g."""
    rank = len(g.shape)
    rows = g.lazy.get(rank - 2)
    found = g.whole([*_picked(g), *([rank - 2] if isinstance(rows, Spread) else [])])
    found, name = _matched(found, left, keep=[-1])
    product = step.writer.op("MatMul", _transposed(step, name, len(left.shape)), found.name)
    shape = (*found.shape[:-2], right.shape[-2], found.shape[-1])
    lazy = {axis: one for axis, one in found.lazy.items() if axis != rank - 2}
    return replace(replace(found, lazy=lazy).renamed(product, _long_batches(found, left)), shape=shape)


def _matched(g: Cotangent, value: Value, keep: list[int]) -> tuple[Cotangent, str]:
    """Cut a factor to what is held of its batches, and of its rows where these are not kept whole."""
    masked: Shape = tuple(
        ONE if axis - len(value.shape) in keep else one for axis, one in enumerate(value.shape)
    )
    return g.match(Value(value.name, masked))


def _long_batches(g: Cotangent, value: Value) -> set[int]:
    offset = len(g.shape) - len(value.shape)
    return {offset + axis for axis, one in enumerate(value.shape[:-2]) if one != ONE}


def _picked(g: Cotangent) -> list[int]:
    return [axis for axis, one in g.lazy.items() if isinstance(one, Picked)]


def _turned(step: Step, value: Value) -> Value:
    shape = (*value.shape[:-2], value.shape[-1], value.shape[-2])
    return Value(_transposed(step, value.name, len(value.shape)), shape)


def _transposed(step: Step, name: str, rank: int) -> str:
    return step.writer.transpose(name, [*range(rank - 2), rank - 1, rank - 2])


@rule("Einsum")
def einsum(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Sum the other factor's products with the gradient, letters exchanged."""
    terms, _, result = str(step.attribute("equation")).replace(" ", "").partition("->")
    letters = terms.split(",")
    plain = all(len(set(one)) == len(one) and one.isalpha() for one in (*letters, result))
    if (
        len(letters) != 2
        or not plain
        or not all(_is_summable(letters, result, place) for place in step.wanted)
    ):
        raise step.refusal(
            f"its equation {step.attribute('equation')!r} is not a plain product of two tensors"
        )
    return {place: _einsum(step, g, letters, result, place) for place in step.wanted}


def _is_summable(letters: list[str], result: str, place: int) -> bool:
    return set(letters[place]) <= set(letters[1 - place]) | set(result)


def _einsum(step: Step, g: Cotangent, letters: list[str], result: str, place: int) -> Cotangent:
    free = next(one for one in "KZYXWVU" if one not in "".join(letters))
    equation = f"{free}{result},{letters[1 - place]}->{free}{letters[place]}"
    name = step.writer.op("Einsum", g.name, step.node.inputs[1 - place], equation=equation)
    return replace(g, name=name, shape=step.shape(place))
