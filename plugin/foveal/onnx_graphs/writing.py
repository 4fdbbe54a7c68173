"""Write nodes behind a graph; what is asked for twice is written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from foveal.onnx_graphs.extents import Extent, Shape

#: The name of a tensor, a number, whole numbers (axes, lengths), or an array.
Operand: TypeAlias = str | float | Sequence[int] | NDArray[Any]

#: What all names begin with that are added to a file.
PREFIX = "foveal/"


class Writer:
    """Collects nodes and constants; every method gives the name of a tensor.

    Parameters
    ----------
    opset
        Which version of the operators the file uses.
    dtype
        Of the numbers that are written in.
    x
        The network's input, whose first axis is the batch.
    prefix
        What the names of all that is written begin with.
    """

    def __init__(self, opset: int, dtype: str, x: str, prefix: str = PREFIX) -> None:
        self.opset, self.dtype, self._x, self._prefix = opset, dtype, x, prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[object, str] = {}
        self._turned: dict[str, tuple[str, Sequence[int]]] = {}

    def op(self, operator: str, *operands: Operand, **settings: Any) -> str:  # noqa: ANN401 - any attribute
        """Apply an operator of one output."""
        inputs = [self._named(one) for one in operands]
        plain = {key: tuple(one) if isinstance(one, list) else one for key, one in settings.items()}
        key = (operator, *inputs, *sorted(plain.items()))
        if key not in self._known:
            self._known[key] = self._add(operator, inputs, 1, settings)[0]
        return self._known[key]

    def several(self, operator: str, count: int, *operands: Operand, **settings: Any) -> list[str]:  # noqa: ANN401
        """Apply an operator of more outputs."""
        return self._add(operator, [self._named(one) for one in operands], count, settings)

    def transpose(self, x: str, order: Sequence[int]) -> str:
        """Reorder axes; back to where they were, it is the tensor that was reordered."""
        source, before = self._turned.get(x, (x, range(len(order))))
        total = [before[axis] for axis in order]
        if total == sorted(total):
            return source
        name = self.op("Transpose", x, perm=list(order))
        self._turned[name] = (source, total)
        return name

    def sum(self, x: str, axes: Sequence[int], *, keep: bool = True) -> str:
        """Add up along axes."""
        return self.op("ReduceSum", x, list(axes), keepdims=int(keep)) if len(axes) else x

    def mean(self, x: str, axes: Sequence[int]) -> str:
        """Average along axes, which stay with length one."""
        if self.opset >= 18:
            return self.op("ReduceMean", x, list(axes), keepdims=1)
        return self.op("ReduceMean", x, axes=list(axes), keepdims=1)

    def largest(self, x: str, axes: Sequence[int]) -> str:
        """Give the largest along axes, which stay with length one."""
        if self.opset >= 18:
            return self.op("ReduceMax", x, list(axes), keepdims=1)
        return self.op("ReduceMax", x, axes=list(axes), keepdims=1)

    def mask(self, condition: str) -> str:
        """Turn truth values into ones and zeros."""
        return self.op("Cast", condition, to=helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)))

    def slice(self, x: str, axis: int, start: Extent, stop: Extent) -> str:
        """Cut a stretch out along an axis."""
        return self.op("Slice", x, self.lengths([start]), self.lengths([stop]), [axis])

    def reshape(self, x: str, shape: Shape) -> str:
        """Give a tensor another shape."""
        open_axes = [axis for axis, one in enumerate(shape) if not one.is_fixed]
        if len(open_axes) > 1:
            return self.op("Reshape", x, self.lengths(shape))
        return self.op("Reshape", x, [one.small if one.is_fixed else -1 for one in shape])

    def lengths(self, extents: Sequence[Extent]) -> Operand:
        """Write lengths down, computed from the batch where they grow with it."""
        base = [one.base for one in extents]
        if all(one.is_fixed for one in extents):
            return base
        batch = self.op("Slice", self.op("Shape", self._x), [0], [1])
        grown = self.op("Mul", batch, [one.per_sample for one in extents])
        return self.op("Add", grown, base)

    def _named(self, operand: Operand) -> str:
        if isinstance(operand, str):
            return operand
        if isinstance(operand, np.ndarray):
            return self._constant(operand.astype(self.dtype) if operand.dtype.kind == "f" else operand)
        if isinstance(operand, float):
            return self._constant(np.asarray(operand, self.dtype))
        return self._constant(np.asarray(operand, np.int64))

    def _constant(self, array: NDArray[Any]) -> str:
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"{self._prefix}constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def _add(self, operator: str, inputs: list[str], count: int, settings: dict[str, Any]) -> list[str]:
        start = f"{self._prefix}{operator}_{len(self.nodes)}"
        names = [f"{start}_{place}" if place else start for place in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=start, **settings))
        return names
