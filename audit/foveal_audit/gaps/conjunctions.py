"""Conjunctions: two attributes that training shows apart and never together, and production does.

Attributes are columns of metadata, the predicted class, and kinds of picture (clusters of a description). A
pair is a gap where training holds far fewer samples with both than independence lets expect (G-test, Sokal
and Rohlf 1981), and production holds far more of them than training; both p-values are corrected for all
pairs together after Benjamini and Yekutieli (2001), which needs no independence between pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, false_discovery_control, fisher_exact
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from foveal_audit.gaps.counting import PURITY, SMALLEST, SMALLEST_SHARE
from foveal_audit.gaps.spaces import Floats

#: Training must have let expect so many, and hold less than this part of them.
LEAST_EXPECTED, _ABSENT = 5.0, 0.2
SIGNIFICANT = 0.05
#: Columns with more values than this name samples rather than kinds.
_VALUES = 12
_SEPARATION = 0.25
_JUDGED = 2000

Attributes = Mapping[str, NDArray[np.str_]]


@dataclass(frozen=True)
class Conjunction:
    """A pair of attribute values that is missing in training.

    Attributes
    ----------
    values
        Attribute to value, two of them.
    members
        Positions of the production samples that have both.
    trained, expected
        Training samples that have both, and how many would were they independent.
    p
        Of such an absence, and of such an excess in production; the larger, corrected for all pairs.
    """

    values: dict[str, str]
    members: NDArray[np.int64]
    trained: int
    expected: float
    p: float


def kinds_of_picture(values: Floats, seed: int) -> NDArray[np.str_] | None:
    """Cluster pictures where they fall into two to four plain kinds; None where they do not."""
    rows = np.unique(values, axis=0)
    best: tuple[float, NDArray[np.int64]] = (_SEPARATION, np.zeros(0, dtype=np.int64))
    for number in range(2, min(4, len(rows) - 1) + 1):
        found = KMeans(number, n_init=3, random_state=seed).fit_predict(values).astype(np.int64)
        judged = _JUDGED if len(values) > _JUDGED else None
        score = float(silhouette_score(values, found, sample_size=judged, random_state=seed))
        best = max(best, (score, found), key=lambda one: one[0])
    return best[1].astype(str) if len(best[1]) else None


def g_test(together: int, first: int, second: int, number: int) -> float:
    """Give the p-value of the G-test of independence of two attributes.

    Parameters
    ----------
    together, first, second, number
        Samples with both, with either, and all.
    """
    seen = np.array(
        [[together, first - together], [second - together, number - first - second + together]], np.float64
    )
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / max(number, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(seen > 0, seen * np.log(seen / expected), 0.0)
    return float(chi2.sf(2 * max(float(parts.sum()), 0.0), 1))


def find_conjunctions(
    attributes: Attributes, training: NDArray[np.bool_], production: NDArray[np.bool_]
) -> list[Conjunction]:
    """Find the pairs that are missing in training, the surest first.

    Parameters
    ----------
    attributes
        Per attribute a value for every sample, "" where it has none.
    training, production
        Masks over samples.
    """
    candidates = list(_candidates(attributes, training, production))
    if not candidates:
        return []
    raw = np.array([one.p for one in candidates])
    adjusted = false_discovery_control(raw, method="by")
    found = [
        Conjunction(one.values, one.members, one.trained, one.expected, float(p))
        for one, p in zip(candidates, adjusted, strict=True)
        if p <= SIGNIFICANT and _is_gap(one, training, production)
    ]
    return sorted(found, key=lambda one: (one.p, sorted(one.values.items())))


def _candidates(
    attributes: Attributes, training: NDArray[np.bool_], production: NDArray[np.bool_]
) -> Iterator[Conjunction]:
    """Give every pair that training lets expect, with the larger of its two p-values."""
    number, produced = int(training.sum()), int(production.sum())
    for first, second in combinations(_usable(attributes), 2):
        for one in np.unique(attributes[first][training]):
            for other in np.unique(attributes[second][training]):
                has = attributes[first] == one, attributes[second] == other
                counts = [int((mask & training).sum()) for mask in (*has, has[0] & has[1])]
                expected = counts[0] * counts[1] / max(number, 1)
                if "" in (one, other) or expected < LEAST_EXPECTED:
                    continue
                members = np.flatnonzero(has[0] & has[1] & production)
                absent = g_test(counts[2], counts[0], counts[1], number) if counts[2] < expected else 1.0
                table = [[len(members), produced - len(members)], [counts[2], number - counts[2]]]
                excess = float(fisher_exact(table, alternative="greater").pvalue)
                values = {first: str(one), second: str(other)}
                yield Conjunction(values, members, counts[2], expected, max(absent, excess))


def _usable(attributes: Attributes) -> list[str]:
    return [name for name, values in attributes.items() if 2 <= len(np.unique(values)) <= _VALUES]


def _is_gap(one: Conjunction, training: NDArray[np.bool_], production: NDArray[np.bool_]) -> bool:
    produced = int(production.sum())
    usual = one.trained * produced / max(int(training.sum()), 1)
    enough = len(one.members) >= max(SMALLEST, SMALLEST_SHARE * produced)
    return enough and one.trained <= _ABSENT * one.expected and usual <= (1 - PURITY) * len(one.members)
