"""How generated crops compare with real ones, in any embedding; plain arrays in, plain numbers out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .crops import Crops, flat

Points = NDArray[np.float64]  #: (n, D), one row per crop
_NEIGHBOURS = 5
_SAME = 1e-12  # squared distance over squared length below which two points are the same but for rounding


def rows(features: NDArray[np.floating]) -> Points:
    """Lay features (n, ...) out as points (n, D)."""
    return np.asarray(features, np.float64).reshape(len(features), -1)


def distances(a: Points, b: Points) -> Points:
    """Euclidean distance of each row of a (n, D) to each row of b (m, D).

    One matrix product, a hundred times faster than n m subtractions of whole crops; its rounding shows only
    between points that agree to six digits, and those are counted as the same.
    """
    lengths = (a**2).sum(1)[:, None] + (b**2).sum(1)
    square = lengths - 2 * a @ b.T
    return np.sqrt(np.where(square > _SAME * lengths, square, 0.0))


def density_coverage(real: Points, made: Points, k: int = _NEIGHBOURS) -> tuple[float, float]:
    """Fidelity and diversity by neighbourhoods of real points (Naeem et al. 2020).

    Parameters
    ----------
    real
        (m, D), m >= 2. Each point's ball reaches to its k-th nearest other real point.
    made
        (n, D).

    Returns
    -------
    density
        Balls that a generated point lies in, over k: near 1 for the real distribution, above 1 in its core.
    coverage
        Share of balls that hold a generated point, 0 to 1.
    """
    k = min(k, len(real) - 1)
    radii = np.sort(distances(real, real), axis=1)[:, k]  # column 0 is the point itself
    inside = distances(made, real) <= radii
    return float(inside.sum() / (k * len(made))), float(inside.any(axis=0).mean())


def two_sample_accuracy(real: Points, made: Points) -> float:
    """Accuracy of a leave-one-out 1-nearest-neighbour classifier, real against generated (C2ST).

    Lopez-Paz & Oquab 2017. 0.5 = cannot be told apart, 1 = always told apart; below 0.5 for copies.
    Neighbours at equal distance share the vote.
    """
    points = np.concatenate([real, made])
    labels = np.repeat([0, 1], [len(real), len(made)])
    apart = distances(points, points)
    np.fill_diagonal(apart, np.inf)
    nearest = apart <= apart.min(axis=1, keepdims=True) + 1e-12
    agree = labels[:, None] == labels[None]
    return float(((nearest & agree).sum(1) / nearest.sum(1)).mean())


def share_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share observed n times (Wilson 1927)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio_interval(
    part: NDArray[np.bool_], whole: NDArray[np.bool_], rounds: int = 1000
) -> tuple[float, float]:
    """95 % interval of the share of ``part`` (n,) over the share of ``whole`` (m,), both drawn anew."""
    rng = np.random.default_rng(0)
    above = rng.binomial(len(part), part.mean(), rounds) / len(part)
    below = rng.binomial(len(whole), whole.mean(), rounds) / len(whole)
    low, high = np.quantile(above / np.maximum(below, 1 / len(whole)), (0.025, 0.975))
    return float(low), float(high)


def smoothness(lines: NDArray[np.floating]) -> float:
    """Largest over mean step along each line of points (lines, points, D), averaged; 1 is perfectly even."""
    steps = np.linalg.norm(np.diff(lines, axis=1), axis=2)
    return float((steps.max(1) / np.maximum(steps.mean(1), 1e-12)).mean())


def spread(points: Points) -> float:
    """Mean distance between two different points; 0 for fewer than two."""
    n = len(points)
    return float(distances(points, points).sum() / (n * (n - 1))) if n > 1 else 0.0


def pixel_distances(crops: Crops, others: Crops) -> NDArray[np.float64]:
    """Root mean square pixel difference of each crop to each other one, (n, m), in units of [0, 1]."""
    return distances(flat(crops), flat(others)) / math.sqrt(math.prod(crops.shape[1:]))


def nearest_crops(crops: Crops, library: Crops) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find for each crop the nearest of a library by pixels.

    Returns
    -------
    index
        (n,) into the library.
    distance
        (n,) root mean square difference in [0, 1].
    """
    apart = pixel_distances(crops, library)
    index = apart.argmin(axis=1)
    return index, apart[np.arange(len(crops)), index]


class Standardiser:
    """Brings each dimension to unit scale as measured on reference points, and drops dead dimensions.

    A dimension that never varies in the reference would otherwise dominate every distance.
    """

    def __init__(self, reference: Points) -> None:
        sd = reference.std(axis=0)
        self.alive = sd > 1e-6 * max(float(sd.max(initial=0.0)), 1e-12)
        self.mean, self.sd = reference.mean(axis=0)[self.alive], sd[self.alive]

    def __call__(self, points: NDArray[np.floating]) -> Points:
        """Map (n, D) to (n, living D)."""
        rows = np.asarray(points, np.float64).reshape(len(points), -1)
        return np.asarray((rows[:, self.alive] - self.mean) / self.sd, np.float64)
