"""From gradients to Grad-CAM maps, written in ONNX: a channel's weight is its mean gradient over space."""

from __future__ import annotations

from dataclasses import replace

from foveal.onnx_graphs.cotangents import Cotangent, Value
from foveal.onnx_graphs.extents import fixed
from foveal.onnx_graphs.grids import Grid


def gradcam(g: Cotangent, layer: Value, grid: Grid) -> str:
    """Write the maps of K targets.

    Parameters
    ----------
    g
        Their gradients by the layer.
    layer
        The layer's activations.
    grid
        How these are arranged.

    Returns
    -------
    str
        Tensor (B, K, *sides): the sum over channels of mean gradient times activation, signed.

    References
    ----------
    Selvaraju et al., ICCV 2017, arXiv:1610.02391
    """
    writer = g.writer
    weights = _weights(g, grid)
    if grid.order[1] == 1:  # channels come first: no activation need be moved
        product = writer.op(
            "MatMul", writer.op("Transpose", weights, perm=[1, 0, 2]), _columns(g, layer, grid)
        )
    else:
        rows = writer.op("MatMul", _rows(g, layer, grid), writer.op("Transpose", weights, perm=[1, 2, 0]))
        product = writer.op("Transpose", rows, perm=[0, 2, 1])
    return writer.reshape(product, (layer.shape[grid.order[0]], fixed(g.targets), *map(fixed, grid.sides)))


def _columns(g: Cotangent, layer: Value, grid: Grid) -> str:
    """Lay the activations out as (B, C, positions)."""
    return g.writer.reshape(layer.name, (*layer.shape[:2], fixed(grid.positions)))


def _weights(g: Cotangent, grid: Grid) -> str:
    """Average the gradients over positions: (K, B, C)."""
    axes = grid.order[2:]
    total = _patches(g, axes[0], grid.prefix).summed(axes).whole().moved(grid.order)
    return g.writer.reshape(total.scaled(1 / grid.positions).name, (fixed(g.targets), *total.shape[:2]))


def _patches(g: Cotangent, axis: int, prefix: int) -> Cotangent:
    """Leave out the tokens before the patches."""
    if not prefix:
        return g
    whole = g.whole([axis])
    start, stop = fixed(prefix), whole.shape[axis]
    shape = (*whole.shape[:axis], stop - start, *whole.shape[axis + 1 :])
    return replace(whole, name=g.writer.slice(whole.name, axis + 1, start, stop), shape=shape)


def _rows(g: Cotangent, layer: Value, grid: Grid) -> str:
    """Lay the activations out as (B, positions, C)."""
    writer = g.writer
    order = (grid.order[0], *grid.order[2:], grid.order[1])
    turned = (
        writer.op("Transpose", layer.name, perm=list(order))
        if order != tuple(range(len(order)))
        else layer.name
    )
    if grid.prefix:
        turned = writer.slice(turned, 1, fixed(grid.prefix), layer.shape[grid.order[2]])
    batch, channels = (layer.shape[axis] for axis in grid.order[:2])
    return writer.reshape(turned, (batch, fixed(grid.positions), channels))
