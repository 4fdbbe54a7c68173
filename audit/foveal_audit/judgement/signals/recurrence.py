"""Whether a facet of traces comes again within its samples, as beats, bursts and teeth do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from foveal.samples.values import Values
from foveal_audit.judgement.signals.nulls import Signal, superiority, those
from foveal_audit.judgement.signals.question import Question

#: Steps of a window that are compared at most: finer traces are averaged first.
_STEPS = 64
#: A piece without any contrast is like nothing.
_FLAT = 1e-12


def matches(piece: NDArray[np.float64], trace: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say how much a piece (w, C) is like every part of a trace (T, C) that is as long, (T - w + 1,).

    Returns
    -------
    1: the same but for its level; 0: nothing like it; k times as large: 1/k. All channels together.
    """
    own, length = piece - piece.mean(axis=0), len(piece)
    found = sum(correlate(channel, part, mode="valid") for channel, part in zip(trace.T, own.T, strict=True))
    sums, squares = (
        np.cumsum(np.pad(values, ((1, 0), (0, 0))), axis=0) for values in (trace, np.square(trace))
    )
    total, power = sums[length:] - sums[:-length], squares[length:] - squares[:-length]
    energy = (power - total**2 / length).sum(axis=1)
    return np.asarray(found / np.maximum(np.maximum(energy, (own**2).sum()), _FLAT))


def _averaged(values: Values, steps: int) -> NDArray[np.float64]:
    """Average so many steps of a trace (T, C) each, about its mean."""
    kept = np.asarray(values[: len(values) // steps * steps], dtype=np.float64)
    # Sums of squares of what lies far from zero would lose the rest.
    return np.asarray((kept - kept.mean(axis=0)).reshape(-1, steps, kept.shape[1]).mean(axis=1))


def _best(piece: NDArray[np.float64], start: int, trace: NDArray[np.float64]) -> float:
    """Give the best match of a piece with what does not touch its own place; nan where there is no room."""
    if len(trace) < len(piece):
        return float("nan")
    found = matches(piece, trace)
    beside = np.concatenate([found[: max(start - len(piece) + 1, 0)], found[start + len(piece) :]])
    return float(beside.max()) if len(beside) else float("nan")


def again(box: tuple[int, int], own: Values, other: Values) -> tuple[float, float]:
    """Say how well the best match of a window t0, t1 fits, in its own trace (T, C) and in another.

    Returns
    -------
    Two of :func:`matches`, both of what lies elsewhere than the window; nan where nothing does.
    """
    steps = -(-(box[1] - box[0]) // _STEPS)
    start, end = box[0] // steps, box[1] // steps
    trace = _averaged(own, steps)
    piece = trace[start:end]
    return _best(piece, start, trace), _best(piece, start, _averaged(other, steps))


def recurrence(
    owners: NDArray[np.int64],
    boxes: NDArray[np.int64],
    others: NDArray[np.int64],
    read: Callable[[int], Values],
) -> Signal | None:
    """Say how often windows come again in their own trace rather than in another.

    Parameters
    ----------
    owners, boxes, others
        (n,), (n, 2) and (n,): the sample of each window, t0 and t1, and another sample of the same outcome.
    read
        Gives a sample (T, C).

    Returns
    -------
    How often the best match of a window in its own trace is better than that in another trace, ties counting
    half: above .5 its own rhythm holds more of its kind; below .5 its kind is there, but once in a trace.
    """
    rows = zip(owners.tolist(), boxes.tolist(), others.tolist(), strict=True)
    found = [again(tuple(box), read(owner), read(other)) for owner, box, other in rows]
    both = np.array([pair for pair in found if np.isfinite(pair).all()]).reshape(-1, 2)
    return superiority(both[:, 0], both[:, 1])


def recurring(asked: Question) -> dict[str, Signal]:
    """Measure whether the facet comes again within its traces; lower speaks for an artefact.

    What is burnt into a recording lies there once, whereas beats follow each other. Nothing is said of
    samples with more axes.
    """
    if asked.windows.axes != 1:
        return {}
    known, windows = asked.pictures.rows, asked.closely
    windows = windows.take(np.flatnonzero(np.isin(windows.owner, known)))
    others = _others(windows.owner, known, asked.around.samples.outcomes, asked.chance("recurrence"))
    windows, others = windows.take(np.flatnonzero(others >= 0)), others[others >= 0]
    return those(recurrence=recurrence(windows.owner, windows.boxes, others, asked.bench.pixels))


def _others(
    owners: NDArray[np.int64],
    known: NDArray[np.int64],
    outcomes: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose for each sample another one of its outcome, (n,); -1 where there is none."""
    found = np.full(len(owners), -1, dtype=np.int64)
    for place, owner in enumerate(owners.tolist()):
        alike = known[(outcomes[known] == outcomes[owner]) & (known != owner)]
        if len(alike):
            found[place] = rng.choice(alike)
    return found
