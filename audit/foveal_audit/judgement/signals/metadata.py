"""Whether a facet goes with where, how or when its samples were made."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.signals.association import (
    conditional_association,
    cramers_v,
    plain_association,
)
from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance
from foveal_audit.judgement.signals.question import Question
from foveal_audit.judgement.verdict import THRESHOLDS

#: Names of the signals about a metadata column; the column follows after a colon.
TIED, COINCIDES, RUNS = "conditional_association", "coincides_with", "runs"
#: Samples of a class with and without the facet, at least, for their order in time to tell anything.
_LEAST = 10


def metadata(asked: Question) -> dict[str, Signal]:
    """Hold the facet against every metadata column of the training samples; higher speaks for an artefact.

    A column that coincides with the outcome cannot be held against the facet given the outcome; what is left
    is the plain association, reported under another name. A column of dates gives runs as well.
    """
    samples = asked.around.samples
    rows = np.flatnonzero(asked.around.training)
    present, outcomes = asked.present[rows], samples.outcomes[rows]
    found: dict[str, Signal | None] = {}
    for column, values in samples.metadata.items():
        chance = asked.chance(column)
        found |= _tied(column, values[rows], present, outcomes, chance)
        found[f"{RUNS}:{column}"] = _runs(values[rows], present, outcomes, chance)
    return {name: signal for name, signal in found.items() if signal is not None}


def _tied(
    column: str,
    values: NDArray[np.str_],
    present: NDArray[np.bool_],
    outcomes: NDArray[np.int64],
    rng: np.random.Generator,
) -> dict[str, Signal | None]:
    groups = np.unique(values, return_inverse=True)[1].astype(np.int64)
    if not 2 <= len(np.unique(groups)) <= len(values) // 10:
        return {}  # the same for all, or another for each: nothing to hold against
    if coincidence(groups, outcomes) >= THRESHOLDS.confounded:
        return {f"{COINCIDES}:{column}": plain_association(present, groups, rng)}
    return {f"{TIED}:{column}": conditional_association(present, groups, outcomes, rng)}


def coincidence(groups: NDArray[np.int64], outcomes: NDArray[np.int64]) -> float:
    """Say how far a metadata column and the outcome are the same thing: Cramer's V of their table, 0 to 1."""
    numbers = np.unique(outcomes)
    return float(max(cramers_v(outcomes == number, groups) for number in numbers))


def _runs(
    values: NDArray[np.str_],
    present: NDArray[np.bool_],
    outcomes: NDArray[np.int64],
    rng: np.random.Generator,
) -> Signal | None:
    times = as_times(values)
    if times is None or len(np.unique(times)) < 2 * _LEAST:
        return None
    return clustered_in_time(present, times, outcomes, rng)


def as_times(values: NDArray[np.str_]) -> NDArray[np.float64] | None:
    """Read a column of ISO 8601 dates or times as seconds (n,); None where it is not one."""
    try:
        return np.array([datetime.fromisoformat(value).timestamp() for value in values.tolist()])
    except (ValueError, OverflowError):
        return None


def clustered_in_time(
    present: NDArray[np.bool_],
    times: NDArray[np.float64],
    classes: NDArray[np.int64],
    rng: np.random.Generator,
) -> Signal | None:
    """Say whether samples with the facet follow each other in time in one class (Wald and Wolfowitz 1940).

    Returns
    -------
    1 - changes between samples with and without the facet / changes by chance, pooled over classes, up to 1;
    0 = as by chance; None where no class has ten samples of either.
    """
    strata = [np.flatnonzero(classes == number) for number in np.unique(classes)]
    ordered = [present[rows[np.argsort(times[rows], kind="stable")]] for rows in strata]
    asking = [own for own in ordered if min(own.sum(), (~own).sum()) >= _LEAST]
    if not asking:
        return None
    null = np.array([sum(_changes(rng.permutation(own)) for own in asking) for _ in range(PERMUTATIONS)])
    usual = float(null.mean())
    value = 1 - sum(_changes(own) for own in asking) / usual
    return Signal(value, exceedance(value, 1 - null / usual))


def _changes(shown: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(shown[1:] != shown[:-1]))
