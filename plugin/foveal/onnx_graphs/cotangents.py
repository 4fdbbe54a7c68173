"""Gradients on their way back, of several targets at once, and only as large as they must be.

A target is one scalar per sample; the gradients of K targets by a tensor of shape (B, ...) are held as one
tensor (K, B, ...), so that every step back is taken once for all of them. Most start sparse (a single logit,
a class token) or end even (behind an average): such axes are *lazy*, held short until a step needs them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from foveal.onnx_graphs.extents import ONE, ZERO, Extent, Shape, fixed, groups, product
from foveal.onnx_graphs.writing import Writer


@dataclass(frozen=True)
class Value:
    """A tensor of the forward pass."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Spread:
    """The gradient is the same all along the axis; one of it is held."""


@dataclass(frozen=True)
class Window:
    """The gradient is zero outside of a stretch of the axis; the stretch is held."""

    start: Extent
    length: Extent

    @property
    def stop(self) -> Extent:
        """Where it ends."""
        return self.start + self.length


@dataclass(frozen=True)
class Picked:
    """The gradient is zero but for one place of the axis, another for each target and sample.

    Attributes
    ----------
    indices
        Tensor (K, B) of the places.
    """

    indices: str


Lazy: TypeAlias = Spread | Window | Picked


@dataclass(frozen=True)
class Cotangent:
    """The gradients of K targets by one tensor.

    Attributes
    ----------
    writer
        Where steps are written.
    name
        The tensor that holds them: (K, *shape), lazy axes short.
    shape
        Of the tensor by which is differentiated.
    targets
        K.
    lazy
        What is known of an axis that is not held whole.
    """

    writer: Writer
    name: str
    shape: Shape
    targets: int
    lazy: Mapping[int, Lazy] = field(default_factory=dict)

    @property
    def held(self) -> Shape:
        """The shape of the tensor that holds them."""
        return (fixed(self.targets), *(self._length(axis) for axis in range(len(self.shape))))

    def whole(self, axes: Collection[int] | None = None) -> Cotangent:
        """Hold some axes whole; all, if none are named."""
        asked = range(len(self.shape)) if axes is None else [axis % len(self.shape) for axis in axes]
        found = self
        for axis in asked:
            if axis in found.lazy:
                found = _widened(found, axis)
        return found

    def match(self, value: Value) -> tuple[Cotangent, str]:
        """Cut from a tensor of the forward pass what goes with the part that is held.

        Parameters
        ----------
        value
            A tensor whose shape, aligned at the last axis, can be broadcast to that of the gradients.

        Returns
        -------
        tuple of Cotangent and str
            The gradients, and the tensor to combine with them.
        """
        offset = len(self.shape) - len(value.shape)
        long = {
            axis: axis - offset for axis in self.lazy if axis >= offset and value.shape[axis - offset] != ONE
        }
        picked = [axis for axis in long if isinstance(self.lazy[axis], Picked)]
        if picked and (len(self.shape), value.shape) != (2, self.shape):
            return self.whole(picked).match(value)
        name = value.name
        for axis, own in long.items():
            name = _cut(self.writer, name, own, self.lazy[axis])
        return self, name

    def scaled(self, factor: str | float | NDArray[Any], shape: Shape = ()) -> Cotangent:
        """Multiply by a number, or by a matched tensor whose whole shape is given."""
        offset = len(self.shape) - len(shape)
        long = {offset + axis for axis, one in enumerate(shape) if one != ONE}
        return self.renamed(self.writer.op("Mul", self.name, factor), long)

    def times(self, value: Value) -> Cotangent:
        """Multiply by a tensor of the forward pass."""
        found, name = self.match(value)
        return found.scaled(name, value.shape)

    def renamed(self, name: str, long: Collection[int] = ()) -> Cotangent:
        """Hold the gradients in another tensor, in which what was even along the axes `long` is no more."""
        kept = {
            axis: one for axis, one in self.lazy.items() if not (axis in long and isinstance(one, Spread))
        }
        return replace(self, name=name, lazy=kept)

    def reduced(self, shape: Shape) -> Cotangent:
        """Add up along the axes that a tensor of this shape was broadcast along."""
        extra = len(self.shape) - len(shape)
        broad = [
            axis
            for axis, one in enumerate(self.shape)
            if axis < extra or (one != ONE and shape[axis - extra] == ONE)
        ]
        found = self.summed(broad)
        return found.reshaped(shape) if extra else found

    def summed(self, axes: Sequence[int]) -> Cotangent:
        """Add up along axes, which stay with length one."""
        even = [axis for axis in axes if isinstance(self.lazy.get(axis), Spread)]
        moving = [axis for axis in even if not self.shape[axis].is_fixed]
        if moving:
            return self.whole(moving).summed(axes)
        name = self.writer.sum(self.name, [axis + 1 for axis in axes if axis not in even])
        count = product(self.shape[axis] for axis in even).small
        if count != 1:
            name = self.writer.op("Mul", name, float(count))
        shape = tuple(ONE if axis in axes else one for axis, one in enumerate(self.shape))
        return replace(self, name=name, shape=shape, lazy=_without(self.lazy, axes))

    def reshaped(self, shape: Shape) -> Cotangent:
        """Give the tensor by which is differentiated another shape of as many numbers."""
        lazy: dict[int, Lazy] = {}
        lost: list[int] = []
        for ours, theirs in groups(self.shape, shape):
            carried = self._carried(ours, theirs, shape)
            lazy |= carried or {}
            lost += ours if carried is None else []
        if lost:
            return self.whole(lost).reshaped(shape)
        found = replace(self, shape=shape, lazy=lazy)
        return replace(found, name=self.writer.reshape(self.name, found.held))

    def moved(self, order: Sequence[int]) -> Cotangent:
        """Reorder axes: the new axis `i` is the old axis ``order[i]``."""
        if list(order) == list(range(len(order))):
            return self
        name = self.writer.transpose(self.name, [0, *(axis + 1 for axis in order)])
        lazy = {new: self.lazy[old] for new, old in enumerate(order) if old in self.lazy}
        return replace(self, name=name, shape=tuple(self.shape[axis] for axis in order), lazy=lazy)

    def along(self, axis: int, matrix: NDArray[Any]) -> Cotangent:
        """Undo a linear step along one axis.

        Parameters
        ----------
        axis
            Along which the step mapped n numbers to m.
        matrix
            What it multiplied by (m, n).
        """
        last = len(self.shape) - 1
        order = [*(one for one in range(last + 1) if one != axis), axis]
        turned = self.whole([axis]).moved(order)
        name = self.writer.op("MatMul", turned.name, matrix)
        shape = (*turned.shape[:-1], fixed(matrix.shape[1]))
        return replace(turned, name=name, shape=shape).moved([order.index(one) for one in range(last + 1)])

    def flat(self) -> str:
        """Give the gradients as (K * B, ...): operators that know no further axes take targets as samples."""
        found = self.whole()
        return self.writer.reshape(found.name, (fixed(self.targets) * self.shape[0], *self.shape[1:]))

    def unflat(self, name: str, shape: Shape) -> Cotangent:
        """Take what such an operator gave for a tensor of this shape."""
        name = self.writer.reshape(name, (fixed(self.targets), *shape))
        return replace(self, name=name, shape=shape, lazy={})

    def _length(self, axis: int) -> Extent:
        lazy = self.lazy.get(axis)
        if lazy is None:
            return self.shape[axis]
        return lazy.length if isinstance(lazy, Window) else ONE

    def _carried(self, ours: list[int], theirs: list[int], shape: Shape) -> dict[int, Lazy] | None:
        """Say what is known of the new axes of a run; None where that cannot be said without widening."""
        known = {axis: self.lazy[axis] for axis in ours if axis in self.lazy}
        if not known:
            return {}
        if len(ours) == len(theirs) == 1:
            return {theirs[0]: known[ours[0]]}
        if len(known) == len(ours) and all(isinstance(one, Spread) for one in known.values()):
            return {axis: Spread() for axis in theirs}
        first = known.get(ours[0])
        if len(known) > 1 or not isinstance(first, Window) or not theirs:
            return None
        inner, other = (product(s[a] for a in axes[1:]) for s, axes in ((self.shape, ours), (shape, theirs)))
        start, length = ((place * inner).over(other) for place in (first.start, first.length))
        return None if start is None or length is None else {theirs[0]: Window(start, length)}


def windowed(found: Cotangent, axis: int, start: Extent, length: Extent) -> Mapping[int, Lazy]:
    """Say that an axis is zero outside of a stretch; nothing, where the stretch is all of it."""
    return (
        found.lazy
        if (start, length) == (ZERO, found.shape[axis])
        else {**found.lazy, axis: Window(start, length)}
    )


def added(parts: Sequence[Cotangent]) -> Cotangent:
    """Add the gradients that came back by several ways."""
    if len(parts) == 1:
        return parts[0]
    axis = _side_by_side(parts)
    if axis is not None:
        return _joined(parts, axis)
    odd = [axis for axis in range(len(parts[0].shape)) if not _agree([one.lazy.get(axis) for one in parts])]
    parts = [one.whole(odd) for one in parts]
    total = parts[0]
    for part in parts[1:]:
        even = {a for a, one in total.lazy.items() if isinstance(one, Spread) and a not in part.lazy}
        total = total.renamed(total.writer.op("Add", total.name, part.name), even)
    return total


def _agree(found: Sequence[Lazy | None]) -> bool:
    """Whether parts can be added as they are: all alike, or broadcast to each other."""
    return all(one == found[0] for one in found) or all(
        one is None or isinstance(one, Spread) for one in found
    )


def _side_by_side(parts: Sequence[Cotangent]) -> int | None:
    """Find an axis along which the parts are stretches that touch without overlap."""
    for axis in parts[0].lazy:
        windows = [one.lazy.get(axis) for one in parts]
        known = sorted((one for one in windows if isinstance(one, Window)), key=lambda one: one.start.small)
        touch = all(one.stop == other.start for one, other in pairwise(known))
        if len(known) == len(parts) and touch:
            return axis
    return None


def _joined(parts: Sequence[Cotangent], axis: int) -> Cotangent:
    def start(part: Cotangent) -> int:
        window = part.lazy[axis]
        return window.start.small if isinstance(window, Window) else 0

    others = {one for part in parts for one in part.lazy if one != axis}
    rows = [part.whole(others) for part in sorted(parts, key=start)]
    first, last = rows[0].lazy[axis], rows[-1].lazy[axis]
    if not isinstance(first, Window) or not isinstance(last, Window):
        raise TypeError(f"{axis} is no axis of windows")
    name = rows[0].writer.op("Concat", *(row.name for row in rows), axis=axis + 1)
    bare = replace(rows[0], name=name, lazy={})
    return replace(bare, lazy=windowed(bare, axis, first.start, last.stop - first.start))


def _without(lazy: Mapping[int, Lazy], axes: Collection[int]) -> dict[int, Lazy]:
    return {axis: one for axis, one in lazy.items() if axis not in axes}


def _widened(found: Cotangent, axis: int) -> Cotangent:
    """Hold a lazy axis whole."""
    lazy, rest = found.lazy[axis], _without(found.lazy, [axis])
    name = _WIDEN[type(lazy)](found, axis, lazy)
    return replace(found, name=name, lazy=rest)


def _expanded(found: Cotangent, axis: int, _lazy: Lazy) -> str:
    lengths = [found.shape[axis] if place == axis else ONE for place in range(len(found.shape))]
    return found.writer.op("Expand", found.name, found.writer.lengths([ONE, *lengths]))


def _padded(found: Cotangent, axis: int, lazy: Any) -> str:  # noqa: ANN401 - a Window, by the table
    before = [ZERO] * (len(found.shape) + 1)
    after = list(before)
    before[axis + 1], after[axis + 1] = lazy.start, found.shape[axis] - lazy.stop
    return found.writer.op("Pad", found.name, found.writer.lengths([*before, *after]))


def _placed(found: Cotangent, axis: int, lazy: Any) -> str:  # noqa: ANN401 - a Picked, by the table
    writer, rank = found.writer, len(found.shape)
    places = np.arange(found.shape[axis].small).reshape([-1] + [1] * (rank - 1 - axis))
    indices = writer.op("Unsqueeze", lazy.indices, list(range(2, rank + 1)))
    return writer.op("Mul", found.name, writer.mask(writer.op("Equal", indices, places)))


_WIDEN = {Spread: _expanded, Window: _padded, Picked: _placed}


def _cut(writer: Writer, name: str, axis: int, lazy: Lazy) -> str:
    if isinstance(lazy, Window):
        return writer.slice(name, axis, lazy.start, lazy.stop)
    if isinstance(lazy, Picked):
        by_sample = writer.op("Transpose", lazy.indices, perm=[1, 0])
        gathered = writer.op("GatherElements", name, by_sample, axis=1)
        return writer.op("Unsqueeze", writer.op("Transpose", gathered, perm=[1, 0]), [2])
    return name
