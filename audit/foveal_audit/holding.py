"""Hold a unit still: its part of a layer's output keeps the value of other samples, whatever the layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from foveal.capture.grids import Layout, read_layout
from foveal.records import Window
from foveal_audit.units.unit import Unit

#: Part of a sample, as shares of its sides: all starts, then all ends (y0, x0, y1, x1 of a picture).
Share = tuple[float, ...]
_ROUNDING = 1e-6


def share_of(window: Window, shape: Sequence[int], unit: Unit) -> Share:
    """Say which part of a sample (*S, C) a unit is held in: the window, or all of it for a node."""
    axes = len(window) // 2
    if not unit.local:
        return (0.0,) * axes + (1.0,) * axes
    return tuple(edge / shape[place % axes] for place, edge in enumerate(window))


@contextmanager
def held(
    module: nn.Module, layer: nn.Module, batch: Tensor, shares: Sequence[Share], unit: Unit
) -> Iterator[None]:
    """Let a layer give, in the unit's channels and places, what it gives for another batch.

    Parameters
    ----------
    module, layer
        The network and the layer of it that the unit lives in.
    batch
        Preprocessed samples (b, C, *s) whose values are kept.
    shares
        Per sample where the unit is held.
    unit
        Its channels are those of the layer's grid (B, C, *S), also where the layer gives tokens.
    """
    kept = _output_of(module, layer, batch)
    mask = _mask(kept, read_layout(layer, module, kept, batch), shares, unit)

    def hold(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return torch.where(mask, kept, output)

    handle = layer.register_forward_hook(hold)
    try:
        yield
    finally:
        handle.remove()


def _output_of(module: nn.Module, layer: nn.Module, batch: Tensor) -> Tensor:
    seen: list[Tensor] = []
    # A layer after this one may write into its output.
    handle = layer.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.detach().clone())
    )
    try:
        module(batch)
    finally:
        handle.remove()
    return seen[-1]


def _mask(kept: Tensor, layout: Layout | None, shares: Sequence[Share], unit: Unit) -> Tensor:
    """Mark what is held, in the layout of the layer's output."""
    channels = list(unit.channels)
    if layout is None:  # no places: (B, C)
        mask = torch.zeros(kept.shape, dtype=torch.bool)
        mask[:, channels] = True
        return mask
    grid = layout.to_grid(kept)
    inside = torch.stack([_inside(share, grid.shape[2:]) for share in shares])
    own = torch.zeros(grid.shape[1], dtype=torch.bool)
    own[channels] = True
    mask = inside[:, None] & own.reshape(1, -1, *[1] * (grid.ndim - 2))
    return _arranged(mask, layout, own & (not unit.local))


def _inside(share: Share, grid: Sequence[int]) -> Tensor:
    """Mark the cells of a grid that a part of the sample touches; all where the grid has fewer axes.

    The axes of a grid that has more are matched from the last one: of a spectrogram that is time, and every
    frequency is held.
    """
    axes = len(share) // 2
    inside = torch.ones(tuple(grid), dtype=torch.bool)
    if len(grid) < axes:
        return inside
    for axis in range(axes):
        place = len(grid) - axes + axis
        touched = _touched(share[axis], share[axes + axis], grid[place])
        inside &= touched.reshape(-1, *[1] * (len(grid) - 1 - place))
    return inside


def _touched(low: float, high: float, size: int) -> Tensor:
    cells = torch.arange(size)
    # A window that ends with a cell, but for rounding, does not touch the next one.
    return (cells < high * size - _ROUNDING) & (cells + 1 > low * size + _ROUNDING)


def _arranged(mask: Tensor, layout: Layout, prefix: Tensor) -> Tensor:
    """Arrange a mask (B, C, *S) as the layer's output is; tokens before the patches take ``prefix`` (C,)."""
    if layout.kind == "channels-first":
        return mask
    if layout.kind == "channels-last":
        return mask.movedim(1, -1)
    patches = mask.flatten(2).transpose(1, 2)
    first = prefix.expand(len(patches), layout.prefix, -1)
    tokens = torch.cat([first, patches], dim=1)
    return tokens.transpose(0, 1) if layout.kind == "tokens-first" else tokens
