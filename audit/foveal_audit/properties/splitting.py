"""Find a property that some pictures of a class have and hardly any others: who carries it, and where.

Model-independent statistics are held against the class: the true one where labels tell it, else the one that
the model gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm, rankdata

from foveal_audit.judgement.signals import exceedance
from foveal_audit.properties.measuring import Measured
from foveal_audit.properties.tiles import Floats

#: Properties per class at most; each is looked for among the pictures that show none of those before.
_MOST = 3
#: Distances are cut here: where the rest are all alike any difference is endless.
_FARTHEST = 100.0
#: Permutations behind the null.
_DRAWN = 99


@dataclass(frozen=True)
class Bounds:
    """What counts as a property that some pictures of a class carry.

    Attributes
    ----------
    fewest
        Carriers in the class at least.
    rest
        Pictures without the property that a comparison needs.
    most
        Share of all pictures that carry it at most: what most pictures have is not the mark but its absence.
    purity
        Part of the carriers that belong to the class at least, were all classes equally large.
    distance
        Between the two groups, in standard deviations of the rest. A normal distribution of which between a
        half and a fiftieth is cut off has at most 2.65, so there must be two groups.
    ubiquity
        See :func:`ubiquity`.
    chance
        The class goes with it by chance at most this often.
    """

    fewest: int = 20
    rest: int = 10
    most: float = 0.5
    purity: float = 0.6
    distance: float = 2.9
    ubiquity: float = 0.2
    chance: float = 1e-3


BOUNDS = Bounds()


@dataclass(frozen=True)
class Split:
    """A statistic and a threshold that part carriers from the rest.

    Attributes
    ----------
    name
        Of the statistic.
    sign
        1 where carriers have much of it, -1 where little.
    threshold
        Of ``sign`` times the median over tiles.
    values
        float32 (n, tiles), of all pictures.
    own
        bool (n,), which pictures are of the class.
    p
        How often the surest of all statistics, directions and thresholds would be as sure if the class played
        no part (permutations of the class, Westfall and Young 1993).
    """

    name: str
    sign: int
    threshold: float
    values: Floats
    own: NDArray[np.bool_]
    p: float

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """How much of it each picture has, (n,)."""
        return _scores(self.values, self.sign)

    @cached_property
    def carries(self) -> NDArray[np.bool_]:
        """Which pictures carry it, (n,)."""
        return np.asarray(self.scores > self.threshold)

    @cached_property
    def prevalence(self) -> tuple[float, float]:
        """Share of the class, and of the others, that carries it."""
        return float(self.carries[self.own].mean()), float(self.carries[~self.own].mean())

    @property
    def purity(self) -> float:
        """Part of the carriers that belong to the class, were both sides equally large: 0.5 by chance."""
        inside, outside = self.prevalence
        return inside / (inside + outside) if inside + outside else 0.5

    @cached_property
    def distance(self) -> float:
        """Distance of the groups' means in spreads of the rest: carriers may carry it to any degree."""
        inside, outside = self.scores[self.carries], self.scores[~self.carries]
        if not min(len(inside), len(outside)):
            return 0.0
        return float(min((inside.mean() - outside.mean()) / max(outside.std(), 1e-9), _FARTHEST))

    @cached_property
    def likeness(self) -> float:
        """How far the class without its carriers is like the others, 0 to 1 (1 - Kolmogorov-Smirnov).

        Where the property is a part of what the class is, those of little of it still have more than others.
        """
        without = self.own & ~self.carries, ~self.own & ~self.carries
        if min(int(side.sum()) for side in without) < BOUNDS.rest:
            return 0.0
        return 1 - float(ks_2samp(self.scores[without[0]], self.scores[without[1]]).statistic)

    @cached_property
    def ubiquity(self) -> tuple[float, float]:
        """See :func:`ubiquity`."""
        return ubiquity(self.values, self.sign, self.threshold)

    def holds(self, bounds: Bounds) -> bool:
        """Say whether this is a property as the bounds ask for; what is cheap is asked first."""
        return bool(
            (self.own & self.carries).sum() >= bounds.fewest
            and self.carries.mean() <= bounds.most
            and self.purity >= bounds.purity
            and self.distance >= bounds.distance
            and self.ubiquity[0] >= bounds.ubiquity
        )


def _scores(values: Floats, sign: int) -> NDArray[np.float64]:
    median = np.nanmedian if np.isnan(values).any() else np.median
    return np.asarray(sign * median(values, axis=1), dtype=np.float64)


def best_threshold(
    scores: NDArray[np.float64], own: NDArray[np.bool_], fewest: int = 1
) -> tuple[float, float]:
    """Choose the threshold above which the class is over-represented most surely.

    Parameters
    ----------
    scores
        float64 (n,).
    own
        bool (n,), which pictures are of the class.
    fewest
        Scores that must be above it at least.

    Returns
    -------
    Threshold, halfway between two scores, and the standardised difference of the shares above it, of the
    class and of the others (maximally selected chi square, Miller and Siegmund 1982); 0 where none parts.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    parts = np.diff(ranked) > 0
    parts[max(0, len(parts) + 1 - fewest) :] = False
    if not parts.any():
        return float(ranked[-1]), 0.0
    gain = np.where(parts, _differences(own[order][None])[0], -np.inf)
    best = int(gain.argmax())
    return float((ranked[best] + ranked[best + 1]) / 2), float(gain[best])


def _differences(ranked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standardise the difference of shares above every place but the last, (p, n - 1).

    Parameters
    ----------
    ranked
        bool (p, n), the class's pictures in the order of p scores.
    """
    total = ranked.shape[1]
    many = int(ranked[0].sum())
    below = np.arange(1, total)
    inside = many - np.cumsum(ranked, axis=1)[:, :-1]
    expected = many * (total - below) / total
    # The variance of the hypergeometric distribution.
    variance = expected * (below / total) * (total - many) / max(total - 1, 1)
    return np.asarray((inside - expected) / np.sqrt(np.maximum(variance, 1e-9)))


def ubiquity(values: Floats, sign: int, threshold: float) -> tuple[float, float]:
    """Say whether a property shows everywhere in its carriers.

    A part of the task lies where its object lies. For each tile the carriers are chosen by the other tiles;
    then it is asked how well that tile tells them from the rest.

    Parameters
    ----------
    values
        float32 (n, tiles); nan where a tile does not count in a picture.
    sign, threshold
        As in :class:`Split`.

    Returns
    -------
    2 AUROC - 1 of the tile at the lower quartile, -1 to 1 (0: a quarter of the tiles knows nothing), and that
    tile's p-value (Mann and Whitney 1947). Higher = rather an artefact.
    """
    found = []
    for tile in range(values.shape[1]):
        chosen = _scores(np.delete(values, tile, axis=1), sign) > threshold
        counts = ~np.isnan(values[:, tile])
        found.append(_separation(sign * values[counts, tile], chosen[counts]))
    return sorted(found)[(len(found) - 1) // 4]


def _separation(values: Floats, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    many, few = int(chosen.sum()), int((~chosen).sum())
    if not min(many, few):
        return 0.0, 1.0
    auroc = (rankdata(values)[chosen].sum() - many * (many + 1) / 2) / (many * few)
    error = np.sqrt((many + few + 1) / (12 * many * few))
    return float(2 * auroc - 1), float(max(norm.sf((auroc - 0.5) / error), 1e-12))


def find_splits(
    measured: Measured, own: NDArray[np.bool_], rng: np.random.Generator, bounds: Bounds = BOUNDS
) -> list[Split]:
    """Find the properties that go with a class, those that part it best first.

    Parameters
    ----------
    measured
        Statistics of n pictures.
    own
        bool (n,), which pictures are of the class.
    rng
        Permutes the class.
    """
    found: list[Split] = []
    free = np.ones(len(own), dtype=bool)
    while len(found) < _MOST and _is_enough(own & free, bounds) and _is_enough(~own & free, bounds):
        split = _find_one(measured, own, free, rng, bounds)
        if split is None:
            break
        found.append(split)
        free &= ~split.carries
    return found


def _is_enough(side: NDArray[np.bool_], bounds: Bounds) -> bool:
    return int(side.sum()) >= bounds.fewest + bounds.rest


def _find_one(
    measured: Measured,
    own: NDArray[np.bool_],
    free: NDArray[np.bool_],
    rng: np.random.Generator,
    bounds: Bounds,
) -> Split | None:
    """Of the statistics that hold, take what goes with the class surely and is everywhere.

    Where an object touches a statistic of the whole picture too, the class goes with it even more surely, but
    its carriers are mixed up: what is everywhere tells them apart.
    """
    ranked = []
    for name, values in measured.items():
        for sign in (1, -1):
            threshold, gain = best_threshold(_scores(values, sign)[free], own[free], bounds.fewest)
            ranked.append((gain, name, sign, threshold))
    ranked.sort(key=lambda one: -one[0])
    null = _null({name: values[free] for name, values in measured.items()}, own[free], bounds.fewest, rng)
    holding: list[tuple[float, Split]] = []
    for gain, name, sign, threshold in ranked:
        p = exceedance(gain, null)
        if p > bounds.chance:
            break
        split = Split(name, sign, threshold, measured[name], own, p)
        if (split.carries & ~free).sum() <= split.carries.sum() / 2 and split.holds(bounds):
            holding.append((gain * split.ubiquity[0], split))
    return max(holding, key=lambda one: one[0], default=(0.0, None))[1]


def _null(
    measured: Measured, own: NDArray[np.bool_], fewest: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw how sure the surest of all statistics and thresholds is where the class plays no part."""
    drawn = np.stack([rng.permutation(own) for _ in range(_DRAWN)])
    surest = np.zeros(_DRAWN)
    for values in measured.values():
        order = np.argsort(_scores(values, 1), kind="stable")
        # Much of it and little of it: the same ranks from either end.
        for ranks in (order, order[::-1]):
            surest = np.maximum(surest, _differences(drawn[:, ranks])[:, : len(own) - fewest].max(axis=1))
    return surest
