"""A network that can only be asked: its layer is a grid of cells of the sample, which it sees or not.

The gradient by a cell is how much the scores fall without it, measured one by one. So all that works on the
activations and gradients of a layer works here too, at the price of a prediction per cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from foveal.capture.grids import Layout
from foveal.capture.parted import Part, PartInfo, folded, is_heard, wants_gradient
from foveal.errors import UsageError

#: What the grid of cells is called, as a layer.
CELLS = "cells"
#: Cells along each axis, by the number of axes.
_ALONG = {1: 32, 2: 8, 3: 4}
#: Samples that are predicted together.
_BATCH = 64


class Occluded(nn.Module):
    """The façade of whatever turns batches into scores.

    Parameters
    ----------
    predict
        From (B, C, *S) to scores (B, n).
    closed
        Why its layers cannot be reached.
    smooth
        Whether autograd finds its way through `predict`, which methods that map the input need.
    """

    def __init__(self, predict: Callable[[Tensor], Tensor], closed: str, *, smooth: bool = False) -> None:
        super().__init__()
        self.predict, self.closed, self._smooth = predict, closed, smooth
        self.pinned = {"layer": CELLS}
        self.add_module(CELLS, Part(PartInfo(CELLS, Layout(), convolves=True)))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Predict (B, n)."""
        cells = self.get_submodule(CELLS)
        if wants_gradient(x) and not self._smooth:
            raise UsageError(
                f"The model has no gradients: {self.closed}",
                "Choose a method that only asks the model, such as occlusion or rise",
            )
        if not is_heard(cells):
            return self.predict(x)
        whole = x.new_ones((len(x), 1, *grid_of(x)))
        seen = cells(whole)
        if seen is whole:
            return self.predict(x)
        question = _Question(self.predict, x.detach())
        return cast("Tensor", _Seen.apply(seen, question))  # type: ignore[no-untyped-call]


def grid_of(x: Tensor) -> tuple[int, ...]:
    """Say into how many cells samples (B, C, *S) are cut along each axis."""
    along = _ALONG[x.ndim - 2]
    return tuple(min(along, side) for side in x.shape[2:])


class _Question:
    """One batch, and the network that is asked about it."""

    def __init__(self, predict: Callable[[Tensor], Tensor], x: Tensor) -> None:
        self._predict, self._x = predict, x
        self._fill = x.mean(tuple(range(2, x.ndim)), keepdim=True)

    @cached_property
    def scores(self) -> Tensor:
        """The scores (B, n) of the whole samples."""
        return self._predict(self._x)

    def seen(self, cells: Tensor) -> Tensor:
        """Predict samples of which only some cells (B, 1, *grid) are seen; the mean stands for the others."""
        if bool((cells == 1).all()):
            return self.scores
        return self._masked(self._x, self._fill, cells)

    def _masked(self, x: Tensor, fill: Tensor, cells: Tensor) -> Tensor:
        seen = interpolate(cells, size=x.shape[2:], mode="nearest").to(x.dtype)
        return self._predict(fill + (x - fill) * seen)

    @cached_property
    def falls(self) -> Tensor:
        """How much each score falls without each cell, (B, cells, n)."""
        return torch.stack(
            [score - torch.cat(list(self._without(row))) for row, score in enumerate(self.scores)]
        )

    def _without(self, row: int) -> Iterator[Tensor]:
        """Predict a sample without each of its cells."""
        grid = grid_of(self._x)
        hidden = 1 - torch.eye(prod(grid)).reshape(-1, 1, *grid)
        for part in torch.split(hidden, _BATCH):
            x, fill = (one[row].expand(len(part), *one.shape[1:]) for one in (self._x, self._fill))
            yield self._masked(x, fill, part)


class _Seen(torch.autograd.Function):
    """From the cells that are seen to the scores."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, question: _Question) -> Tensor:  # noqa: ANN401
        ctx.question, ctx.grid = question, cells.shape[1:]
        return question.seen(cells.detach()).clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        def back(rows: Tensor) -> Tensor:
            found = torch.einsum("kbn,bpn->kbp", rows, ctx.question.falls.to(rows.dtype))
            return found.reshape(*found.shape[:2], *ctx.grid)

        return folded(cotangents[0], back), None
