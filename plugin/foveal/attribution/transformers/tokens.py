"""Where the tokens of a transformer lie on the sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from torch import Tensor

from foveal.errors import UsageError

#: Tokens before the patches that are believed: class, distillation, and up to six registers.
_MOST_PREFIX = 8


def find_grid(
    tokens: int, sides: tuple[int, ...], convolved: Sequence[tuple[int, ...]] = ()
) -> tuple[tuple[int, ...], int]:
    """Tell the grid of the patches, and how many tokens come before them.

    Parameters
    ----------
    tokens
        Their number, those before the patches included.
    sides
        Of the sample.
    convolved
        Grids that the convolutions before the tokens gave; the latest that fits is the patches'.
        Where none fits, the sample is cut into patches of equal sides.

    Raises
    ------
    UsageError
        If no grid has so many patches.
    """
    for grid in reversed(convolved):
        if len(grid) == len(sides) and 0 <= tokens - prod(grid) <= _MOST_PREFIX:
            return grid, tokens - prod(grid)
    found = min(_patches(tokens, sides), default=None)
    if found is None:
        raise UsageError(
            f"{tokens} tokens form no grid over a sample of {sides}",
            "Choose a method that does not follow the attention, such as gradcam or rise",
        )
    prefix, grid = found
    return grid, prefix


def _patches(tokens: int, sides: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """List how the sample may be cut into patches: fewest tokens before them first."""
    for patch in range(1, max(sides) + 1):
        grid = tuple(side // patch for side in sides)
        whole = all(side % patch == 0 for side in sides)
        if whole and 0 <= tokens - prod(grid) <= _MOST_PREFIX:
            yield tokens - prod(grid), grid


def read_out(matrix: Tensor, grid: tuple[int, ...], prefix: int) -> Tensor:
    """Read what the class token takes from each patch, or all tokens on average where there is none.

    Parameters
    ----------
    matrix
        What tokens (rows) take from tokens (columns): (..., N, M).
    grid, prefix
        Of the columns; a single row, as of a pool by attention, is read as it is.

    Returns
    -------
    Tensor
        (..., *grid)
    """
    classed = prefix > 0 and matrix.shape[-2] == matrix.shape[-1]
    row = matrix[..., 0, :] if classed else matrix.mean(-2)
    return row[..., prefix:].reshape(*row.shape[:-1], *grid)
