"""Which rows of a batch a forward predicted; handlers may cut a batch up as they please."""

from __future__ import annotations

from collections.abc import Sequence

from foveal.capture import Forward


def match(kept: Sequence[tuple[int, Forward]], rows: Sequence[int]) -> list[tuple[Forward, list[int]]] | None:
    """Match forwards with the rows of their batch.

    Parameters
    ----------
    kept
        Forwards with their places, in the order in which they were made.
    rows
        The rows that the handler predicted.

    Returns
    -------
    list
        The first forward over all rows; or, where each row went through one forward, all of them in order,
        each with its rows. None where neither holds, as where a row is predicted several times over.
    """
    forwards = [forward for _, forward in sorted(kept, key=lambda one: one[0])]
    whole = next((forward for forward in forwards if len(forward.x) == len(rows)), None)
    if whole is not None:
        return [(whole, list(rows))]
    if sum(len(forward.x) for forward in forwards) != len(rows):
        return None
    left = iter(rows)
    return [(forward, [next(left) for _ in range(len(forward.x))]) for forward in forwards]
