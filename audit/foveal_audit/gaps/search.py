"""The search for groups: every space with every classifier, fused, tested family-wise, taken apart.

1. Each space and classifier orders the samples by how surely they come from production.
2. Orders with a significant excess are fused: their mean logarithmic rank is one more order. What one
   description shows in part, several together show whole.
3. From the largest and purest group on, each order adds the samples that are not in a group yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from foveal_audit.gaps.counting import SMALLEST, SMALLEST_SHARE, count, threshold
from foveal_audit.gaps.foreign import LEARNERS, foreign_scores
from foveal_audit.gaps.hold_outs import family_wise_p, hold_out_strengths, strength
from foveal_audit.gaps.spaces import Floats, Space

#: Family-wise probability of any group where production is like training.
SIGNIFICANT = 0.05
#: Spaces of the network, and those whose groups it must notice: what a camera or a file format changes is
#: harmless as long as the network does not react to it.
BY_NETWORK, TO_BE_NOTICED = (
    ("network", "whole picture, network"),
    ("whole picture, style", "all descriptions"),
)
#: AUROC from which on the network notices a group: its samples against training, in one of its spaces.
NOTICED = 0.7
#: Between kinds of a group this much of a silhouette is plain.
_SEPARATION = 0.5
_KINDS, _NEAREST = (2, 3), 5

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Sides:
    """Masks over samples: those of training, those of production, and those that are no copies of others."""

    training: NDArray[np.bool_]
    production: NDArray[np.bool_]
    first: NDArray[np.bool_]


@dataclass(frozen=True)
class Order:
    """Samples ordered by one space and classifier, or by several together.

    Attributes
    ----------
    space, learner
        Where the scores come from.
    samples, copies
        float64 (samples,), highest score of each sample and of its harmless copies; -inf where there is none.
    rows
        Scores of the space's rows; empty for a fused order.
    strength
        Of the strongest excess of production, against samples or copies, whichever is weaker.
    p
        Family-wise, of such a find among hold-outs of training.
    """

    space: str
    learner: str
    samples: Scores
    copies: Scores
    rows: Scores
    strength: float = 0.0
    p: float = 1.0


@dataclass(frozen=True)
class Group:
    """Production samples in a group, training samples alike, the order that found it, samples expected."""

    members: NDArray[np.int64]
    trained: int
    order: Order
    expected: float = 0.0


def order_samples(
    spaces: Sequence[Space], sides: Sides, families: NDArray[np.int64], seed: int
) -> list[Order]:
    """Order the samples in every space by every classifier."""
    number = len(sides.training)
    orders = []
    for space in spaces:
        for learner in LEARNERS:
            rows, copies = foreign_scores(space, sides.production, families, learner, seed)
            highest = space.highest(rows, number), space.highest_copied(copies, number)
            orders.append(Order(space.name, learner, *highest, rows))
    return orders


def tested(orders: Sequence[Order], sides: Sides, seed: int) -> list[Order]:
    """Test every order against hold-outs of training, and add the fused order of the significant ones."""
    if not orders:
        return []
    training, production = sides.training & sides.first, sides.production & sides.first
    rng = np.random.default_rng(seed)
    null = hold_out_strengths([one.samples[training] for one in orders], int(production.sum()), rng)
    judged = [_judged(one, training, production, null) for one in orders]
    significant = [one for one in judged if one.p <= SIGNIFICANT]
    if len(significant) < 2:
        return judged
    return [*judged, _judged(fused(significant), training, production, null)]


def _judged(order: Order, training: NDArray[np.bool_], production: NDArray[np.bool_], null: Scores) -> Order:
    found = strength(order.samples[production], order.samples[training])
    copied = np.isfinite(order.copies)
    if copied.any():
        found = min(found, strength(order.samples[production], order.copies[copied]))
    return replace(order, strength=found, p=family_wise_p(found, null))


def fused(orders: Sequence[Order]) -> Order:
    """Order samples by their mean logarithmic rank, each order weighing as much as its strength."""
    weights = np.array([one.strength for one in orders])
    logs = [_log_ranks(one) for one in orders]
    samples = np.average([one[0] for one in logs], axis=0, weights=weights)
    copies = np.average([one[1] for one in logs], axis=0, weights=weights)
    return Order("all descriptions", "fused", samples, copies, np.zeros(0))


def _log_ranks(order: Order) -> tuple[Scores, Scores]:
    """Give minus the logarithm of the share of samples with a score as high, for samples and copies."""
    known = np.sort(order.samples[np.isfinite(order.samples)])
    with np.errstate(divide="ignore"):
        both = [
            -np.log((len(known) - np.searchsorted(known, one, side="left") + 1) / (len(known) + 1))
            for one in (order.samples, order.copies)
        ]
    return both[0], np.where(np.isfinite(order.copies), both[1], -np.inf)


def choose_groups(orders: Sequence[Order], sides: Sides) -> list[Group]:
    """Take the groups of the significant orders, the largest and purest first; later ones add what is new."""
    taken = np.zeros(len(sides.training), dtype=bool)
    groups = []
    least = max(SMALLEST, SMALLEST_SHARE * sides.production.sum())
    found = [_group(order, sides) for order in orders if order.p <= SIGNIFICANT]
    for group in sorted((one for one in found if one), key=_rank):
        unseen = noticed(group.members, orders, sides) < NOTICED
        if group.order.space in TO_BE_NOTICED and unseen:
            continue
        fresh = group.members[~taken[group.members]]
        if len(fresh) >= least and len(fresh) >= len(group.members) / 2:
            groups.append(replace(group, members=fresh))
            taken[fresh] = True
    return groups


def _rank(group: Group) -> tuple[float, str, str]:
    """Put the group with most samples and fewest alike in training first."""
    return -(len(group.members) - 4 * group.expected), group.order.space, group.order.learner


def noticed(members: NDArray[np.int64], orders: Sequence[Order], sides: Sides) -> float:
    """Say how well the network tells samples from training.

    Returns
    -------
    The highest AUROC in those of its own spaces that hold a significant excess; .5 where none does.
    """
    own = [one for one in orders if one.space in BY_NETWORK]
    if not own:
        return 1.0  # nothing is known of what it notices
    reacting = [one for one in own if one.p <= SIGNIFICANT]
    return max((_told_apart(one, members, sides.training & sides.first) for one in reacting), default=0.5)


def _told_apart(order: Order, members: NDArray[np.int64], training: NDArray[np.bool_]) -> float:
    """Give the AUROC of samples against training, and against its harmless copies if that is lower."""
    others = [order.samples[training], order.copies[np.isfinite(order.copies)]]
    return min(
        float(mannwhitneyu(order.samples[members], other).statistic) / (len(members) * len(other))
        for other in others
        if len(other)
    )


def _group(order: Order, sides: Sides) -> Group | None:
    training, production = sides.training & sides.first, sides.production & sides.first
    copied = order.copies[np.isfinite(order.copies)]
    level = threshold(count(order.samples[production], order.samples[training], copied))
    if level is None:
        return None
    members = np.flatnonzero(sides.production & (order.samples >= level))
    trained = int((order.samples[training] >= level).sum())
    usual = (trained + np.sqrt(trained) + 0.5) * production.sum() / max(int(training.sum()), 1)
    return Group(members, trained, order, float(usual))


def kinds_of(group: Group, looks: Floats, training: NDArray[np.bool_], seed: int) -> list[Group]:
    """Take a group apart where what is new about its samples plainly differs.

    What is new is the difference to the mean of the five nearest training samples: classes and backgrounds
    that training has as well do not make kinds.

    Parameters
    ----------
    group
        Production samples.
    looks
        float32 (samples, D), how each sample looks.
    training
        Mask over samples.
    seed
        Source of chance.
    """
    own = _news(looks[group.members], looks[training])
    best, found = _SEPARATION, None
    if len(np.unique(own, axis=0)) > max(_KINDS):
        points = PCA(min(6, *own.shape), random_state=seed).fit_transform(own)
        for parts, labels in _clusterings(points, seed):
            if np.bincount(labels, minlength=parts).min() >= SMALLEST:
                score = float(silhouette_score(points, labels))
                best, found = (score, labels) if score > best else (best, found)
    if found is None:
        return [group]
    sizes = np.bincount(found)
    return [
        replace(group, members=group.members[found == kind], trained=round(group.trained * size / len(own)))
        for kind, size in sorted(enumerate(sizes), key=lambda one: -one[1])
    ]


def _news(looks: Floats, usual: Floats) -> Floats:
    search = NearestNeighbors(n_neighbors=min(_NEAREST, len(usual))).fit(usual)
    return np.asarray(looks - usual[search.kneighbors(looks)[1]].mean(axis=1), dtype=np.float32)


def _clusterings(points: Floats, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    for parts in _KINDS:
        yield parts, KMeans(parts, n_init=3, random_state=seed).fit_predict(points).astype(np.int64)
