"""Scores of many variants of a batch, in forwards of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, product
from types import EllipsisType
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from foveal.attribution.subject import Subject

#: Rows of one forward at most; more variants go in several.
ROWS = 32

#: The positions of a window, as an index of any tensor whose last axes are spatial.
Where: TypeAlias = tuple[slice | EllipsisType, ...]

_T = TypeVar("_T")


def repetitions(subject: Subject) -> int:
    """Tell how many variants of the whole batch fit into one forward."""
    return max(1, ROWS // max(1, len(subject.x)))


def in_chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Cut a stream into lists of at most so many."""
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk


def score_variants(subject: Subject, score: Callable[[Tensor], Tensor], variants: Iterable[Tensor]) -> Tensor:
    """Score variants (B, C, *S) of the batch, taken from the stream as they are needed.

    Parameters
    ----------
    subject
        Whose batch they are variants of.
    score
        Its ``scores`` or ``probabilities``: rows (R * B, C, *S) to (R * B, K).
    variants
        Each the whole batch in another state.

    Returns
    -------
    Tensor
        Scores (N, B, K), one for each variant.
    """
    batch = len(subject.x)
    with torch.no_grad():
        chunks = in_chunks(variants, repetitions(subject))
        return torch.cat([_split(score(torch.cat(chunk)), batch) for chunk in chunks])


def _split(scores: Tensor, batch: int) -> Tensor:
    """Part the rows (R * B, K) of repetitions, in single precision at least: (R, B, K)."""
    precise = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return precise.reshape(-1, batch, *scores.shape[1:])


def class_units(subject: Subject) -> Tensor:
    """Tell which units (K,) are classes: those whose probability is not the score itself."""
    with torch.no_grad():
        same = torch.isclose(subject.scores(subject.x), subject.probabilities(subject.x))
    return ~same.all(0)


def corners(sides: Iterable[int], windows: Iterable[int], stride: int) -> list[tuple[int, ...]]:
    """List the lower corners of windows that cover a grid, the last ones flush with its end."""
    axes = (starts(side, window, stride) for side, window in zip(sides, windows, strict=True))
    return list(product(*axes))


def starts(side: int, window: int, stride: int) -> list[int]:
    """List where windows begin along one axis, the last one flush with its end."""
    regular = range(0, side - window + 1, stride)
    last = side - window
    return [*regular] if regular[-1] == last else [*regular, last]


def box(corner: Iterable[int], windows: Iterable[int]) -> Where:
    """Name the positions of a window on the last axes of a tensor."""
    return (..., *(slice(low, low + window) for low, window in zip(corner, windows, strict=True)))
