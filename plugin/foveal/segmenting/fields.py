"""Receptive fields: exactly which part of the input each position of a layer reads (US 12,062,225 B2, S4).

Measured on the network itself, whatever it is made of: an input point that is not a number makes every
position that reads it one too. Networks of convolutions treat points one period (the product of their
strides) apart alike, so that a forward per point of one period tells the fields of all positions. Whether
they do is tried at the borders and in between; where they do not, every point is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveal.capture.grids import read_layout
from foveal.capture.hooks import hooked
from foveal.capture.layers import find_layer
from foveal.capture.outputs import first_tensor
from foveal.capture.reach import SHARP
from foveal.records import Window

#: Points along all axes together that are looked at one by one; of larger networks without a period the
#: fields stay unknown.
_MOST_POINTS = 256

Reads = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fields:
    """The receptive fields of a layer's positions: the product of one range per axis.

    Attributes
    ----------
    starts, stops
        Per axis, for each position along it, the half-open range of the input that it depends on.
    sides
        Sides of the input.
    """

    starts: tuple[NDArray[np.int64], ...]
    stops: tuple[NDArray[np.int64], ...]
    sides: tuple[int, ...]

    def box(self, cell: Sequence[int]) -> Window:
        """Give the field of a position, in steps of the input."""
        first = (int(axis[at]) for axis, at in zip(self.starts, cell, strict=True))
        last = (int(axis[at]) for axis, at in zip(self.stops, cell, strict=True))
        return (*first, *last)

    @property
    def share(self) -> float:
        """Length of the longest field by the input's side, along the axis where that is most: 0 to 1."""
        longest = (int((stop - start).max()) for start, stop in zip(self.starts, self.stops, strict=True))
        return max(length / side for length, side in zip(longest, self.sides, strict=True))

    @property
    def is_local(self) -> bool:
        """Whether fields say where: none covers more than half of the input along an axis."""
        return self.share <= SHARP

    def to_mapping(self) -> dict[str, list[Any]]:
        """Write them down as JSON takes them."""
        starts, stops = ([axis.tolist() for axis in part] for part in (self.starts, self.stops))
        return {"starts": starts, "stops": stops, "sides": list(self.sides)}

    @classmethod
    def from_mapping(cls, known: Mapping[str, Any]) -> Fields:
        """Read what :meth:`to_mapping` wrote."""
        starts, stops = (tuple(np.asarray(axis) for axis in known[part]) for part in ("starts", "stops"))
        return cls(starts, stops, tuple(known["sides"]))


def fields_of(model: nn.Module, x: Tensor, layer: str) -> Fields | None:
    """Measure the receptive fields of a layer.

    Parameters
    ----------
    model
        The network, in eval mode.
    x
        A batch (B, C, *S) as it takes it; the fields hold for inputs of its size.
    layer
        Name of the layer.

    Returns
    -------
    Fields or None
        None where the layer has no positions, where a position reads more than half of the input along an
        axis, where the network treats no two points alike and has too many of them to look at all, or
        where an ONNX file has operators that hide what they read.
    """
    reading = _reading(model)
    if reading is None:
        return None
    marks = _Marks(reading, x[:1], layer)
    sides = tuple(x.shape[2:])
    middle = tuple(side // 2 for side in sides)
    seen = marks.look(middle)
    if seen is None or any(one.mean() > SHARP for one in seen):
        return None
    reads = _by_period(marks, sides, tuple(map(len, seen))) or _one_by_one(marks, sides)
    if reads is None or any(not axis.any(0).all() for axis in reads):
        return None
    starts = tuple(axis.argmax(0) for axis in reads)
    stops = tuple(len(axis) - axis[::-1].argmax(0) for axis in reads)
    found = Fields(starts, stops, sides)
    return found if found.is_local else None


def _reading(model: nn.Module) -> nn.Module | None:
    """Give the network itself, or one that reads the same where its kernels leave out what is no number."""
    make: Callable[[], nn.Module | None] | None = getattr(model, "spreading", None)
    return model if make is None else make()


class FieldBook:
    """The fields of a network's layers, each measured once per size of the input, or measured before."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._known: dict[tuple[object, ...], Fields | None] = {}
        carried: Sequence[Mapping[str, Any]] | None = getattr(model, "fields", None)
        self._is_closed = carried is not None
        for one in carried or ():
            self._known[(one["layer"], *one["sides"])] = Fields.from_mapping(one)

    def of(self, layer: str, x: Tensor) -> Fields | None:
        """Give the fields of a layer for a batch (B, C, *S); see :func:`fields_of`."""
        key = (layer, *x.shape[2:])
        if key not in self._known and not self._is_closed:
            self._known[key] = fields_of(self._model, x, layer)
        return self._known.get(key)


class _Marks:
    """Looks at which positions of a layer read a point."""

    def __init__(self, model: nn.Module, x: Tensor, layer: str) -> None:
        self._model, self._module = model, find_layer(model, layer)
        self._blank = torch.zeros_like(x)
        #: Least positions along each axis of any layer with more than one.
        self.coarsest = list(x.shape[2:])

    def look(self, point: Sequence[int | slice]) -> tuple[Reads, ...] | None:
        """Give, per axis, which positions read a point of the input; None where there are no positions."""
        marked = self._blank.clone()
        marked[(slice(None), slice(None), *point)] = float("nan")
        kept: list[Tensor] = []

        def keep(module: nn.Module, _args: object, output: object) -> None:
            tensor = first_tensor(output)
            layout = None if tensor is None else read_layout(module, self._model, tensor, marked)
            if tensor is not None and layout is not None:
                kept.append(layout.to_grid(tensor))

        with (
            hooked([(self._module, keep), *((module, self._note) for module in self._model.modules())]),
            torch.inference_mode(False),
            torch.no_grad(),
        ):
            self._model(marked)
        return _along_axes(kept[-1][0].isnan().any(0).cpu().numpy()) if kept else None

    def _note(self, _module: nn.Module, _args: object, output: object) -> None:
        tensor = first_tensor(output)
        if tensor is None or tensor.ndim != self._blank.ndim:
            return
        for axis, cells in enumerate(tensor.shape[2:]):
            if cells > 1:
                self.coarsest[axis] = min(self.coarsest[axis], cells)


def _along_axes(read: Reads) -> tuple[Reads, ...]:
    others = (tuple(axis for axis in range(read.ndim) if axis != own) for own in range(read.ndim))
    return tuple(np.asarray(read.any(axis=axes)) for axes in others)


def _by_period(marks: _Marks, sides: tuple[int, ...], grid: tuple[int, ...]) -> tuple[Reads, ...] | None:
    """Look at one period in the middle and take the rest to be like it; None where it is not.

    Returns
    -------
    tuple of NDArray
        Per axis (S, n): which positions read which point.
    """
    periods = [ceil(side / cells) for side, cells in zip(sides, marks.coarsest, strict=True)]
    if any(
        side % period or period * cells % side or 3 * period > side
        for side, period, cells in zip(sides, periods, grid, strict=True)
    ):
        return None
    first = [side // 2 // period * period for side, period in zip(sides, periods, strict=True)]
    looks = [
        marks.look([start + step % period for start, period in zip(first, periods, strict=True)])
        for step in range(max(periods))
    ]
    reads = tuple(
        _repeated([look[axis] for look in looks[:period] if look], first[axis], sides[axis])
        for axis, period in enumerate(periods)
    )
    return reads if _holds(marks, reads, sides, first, periods) else None


def _repeated(looks: Sequence[Reads], first: int, side: int) -> Reads:
    """Shift what one period of points is read by along the axis."""
    period, cells = len(looks), len(looks[0])
    reads = np.zeros((side, cells), bool)
    for point in range(side):
        step = (point - first) % period
        moved = np.flatnonzero(looks[step]) + (point - first - step) * cells // side
        reads[point, moved[(moved >= 0) & (moved < cells)]] = True
    return reads


def _holds(
    marks: _Marks,
    reads: Sequence[Reads],
    sides: Sequence[int],
    first: Sequence[int],
    periods: Sequence[int],
) -> bool:
    """Try the border's points, and one of every period between, against what is expected."""
    tried = [_tried(*axis) for axis in zip(sides, first, periods, strict=True)]
    for number in range(max(map(len, tried))):
        point = [points[number % len(points)] for points in tried]
        look = marks.look(point)
        expected: list[Reads] = [axis[at] for axis, at in zip(reads, point, strict=True)]
        # A point that no position reads along one axis is read by none at all.
        seen = all(map(np.any, expected))
        wanted = [one if seen else np.zeros_like(one) for one in expected]
        if look is None or not all(map(np.array_equal, look, wanted)):
            return False
    return True


def _tried(side: int, first: int, period: int) -> list[int]:
    eighths = (side * part // 8 for part in range(1, 8))
    return sorted({0, 1, min(period, side - 1), side - 1, side - 2, (first + period) % side, *eighths})


def _one_by_one(marks: _Marks, sides: Sequence[int]) -> tuple[Reads, ...] | None:
    """Look at every point along each axis."""
    if sum(sides) > _MOST_POINTS:
        return None
    return tuple(np.stack(list(_line(marks, sides, axis))) for axis in range(len(sides)))


def _line(marks: _Marks, sides: Sequence[int], axis: int) -> Iterator[Reads]:
    for at in range(sides[axis]):
        point: list[int | slice] = [slice(None)] * len(sides)
        point[axis] = at
        look = marks.look(point)
        if look is not None:
            yield look[axis]
