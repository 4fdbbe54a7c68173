"""Where a layer's output keeps its channels and its positions, tokens of transformers included.

Convolutional layers give (B, C, *S). Vision transformers give tokens (B, T, C) or (T, B, C), some of them not
patches (class, distillation and register tokens come first); Swin-like ones give (B, *S, C). A
:class:`Layout` says which, and turns all of them into (B, C, *S).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

#: Tokens before the patches that are believed: class, distillation, and up to six registers.
_MOST_PREFIX = 8


@dataclass(frozen=True)
class Layout:
    """How to read a layer's output as a grid.

    Attributes
    ----------
    kind
        ``channels-first`` (B, C, *S), ``channels-last`` (B, *S, C), ``tokens`` (B, T, C) or
        ``tokens-first`` (T, B, C).
    grid
        The patches' grid, of tokens.
    prefix
        How many tokens come before the patches.
    """

    kind: Literal["channels-first", "channels-last", "tokens", "tokens-first"] = "channels-first"
    grid: tuple[int, ...] = ()
    prefix: int = 0

    def to_grid(self, output: Tensor) -> Tensor:
        """Arrange the layer's output as (B, C, *S); leave prefix tokens out."""
        if self.kind == "channels-first":
            return output
        if self.kind == "channels-last":
            return output.movedim(-1, 1)
        patches = self._batch_first(output)[:, self.prefix :]
        batch, _, channels = patches.shape
        return patches.transpose(1, 2).reshape(batch, channels, *self.grid)

    def nodes(self, output: Tensor) -> Tensor:
        """Give one value per channel (B, C): of the class token where there is one, else the mean."""
        if self.prefix:
            return self._batch_first(output)[:, 0]
        return self.to_grid(output).flatten(2).mean(-1)

    def _batch_first(self, tokens: Tensor) -> Tensor:
        return tokens.transpose(0, 1) if self.kind == "tokens-first" else tokens


def read_layout(module: nn.Module, model: nn.Module, output: Tensor, x: Tensor) -> Layout | None:
    """Tell how to read a layer's output.

    Parameters
    ----------
    module
        The layer.
    model
        The network that it is part of.
    output
        What the layer gave.
    x
        The model's input (B, C, *S).

    Returns
    -------
    Layout or None
        None where the output has no positions.
    """
    sides = tuple(x.shape[2:])
    known = getattr(module, "layout", None)
    if isinstance(known, Layout):  # a part of a network that is no module tells it itself
        return known
    if output.ndim == 3 and (len(sides) != 1 or _ends_in_features(module, output)):
        return _read_tokens(model, output, len(x), sides)
    if output.ndim != x.ndim or output.ndim < 3 or len(output) != len(x):
        return None
    return Layout("channels-last") if _is_channels_last(module, output, sides) else Layout()


def _read_tokens(model: nn.Module, output: Tensor, batch: int, sides: tuple[int, ...]) -> Layout | None:
    if batch not in output.shape[:2]:
        return None
    first = output.shape[0] != batch
    count = output.shape[0] if first else output.shape[1]
    strides = {stride for one in model.modules() if isinstance(one, _ConvNd) for stride in one.stride}
    found = min(_token_grids(count, sides, strides), default=None)
    if found is None:
        return None
    _, prefix, grid = found
    return Layout("tokens-first" if first else "tokens", grid, prefix)


def _token_grids(
    count: int, sides: tuple[int, ...], strides: set[int]
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """List the grids that so many tokens can be, the likelier the lower: (doubt, prefix, grid)."""
    for patch in range(1, max(sides, default=0) + 1):
        grid = tuple(max(1, side // patch) for side in sides)
        prefix = count - prod(grid)
        if 0 <= prefix <= _MOST_PREFIX:
            exact = all(side % patch == 0 for side in sides)
            yield (0 if patch in strides and exact else 1 if exact else 2), prefix, grid


def _is_channels_last(module: nn.Module, output: Tensor, sides: tuple[int, ...]) -> bool:
    shape = tuple(output.shape)
    last, first = _scaled(shape[1:-1], sides), _scaled(shape[2:], sides)
    return last and _ends_in_features(module, output) and (not first or shape[1] != shape[-1])


def _ends_in_features(module: nn.Module, output: Tensor) -> bool:
    """Whether what the layer computes ends in features along the last axis."""
    modules = list(module.modules())
    width = output.shape[-1]
    if any(isinstance(one, nn.LayerNorm) and one.normalized_shape[-1] == width for one in modules):
        return True
    linears = any(isinstance(one, nn.Linear) and one.out_features == width for one in modules)
    return linears and not any(isinstance(one, _ConvNd) for one in modules)


def _scaled(grid: tuple[int, ...], sides: tuple[int, ...]) -> bool:
    """Whether a grid is the input's, shrunk by one factor along every axis."""
    ratios = {side / own for side, own in zip(sides, grid, strict=True) if own}
    return len(ratios) == 1
