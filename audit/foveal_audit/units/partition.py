"""Windows to units: clusters of evidence, split where they look different, joined where nothing parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foveal_audit.units.appearance import Shifted
from foveal_audit.units.clouds import Cloud, clouds_of, join_inseparable, separation
from foveal_audit.units.contribution import choose_units, directions, fit_units
from foveal_audit.units.facets import APART, by_size, split_each
from foveal_audit.units.formation import Formation, formations
from foveal_audit.units.stability import stability
from foveal_audit.units.views import SHAPE, TONE, described, narrowed
from foveal_audit.windows import Windows

#: Two clusters are twins when their crops match each other nearly as well as either matches itself.
_TWIN = 0.95
_COMPARED = 24
#: Part of a unit's evidence that its named channels carry.
_CARRIED = 0.8
#: Times that windows are sorted anew to see which units return, and how many windows each time.
_DRAWS, _DRAWN = 4, 2500


@dataclass(frozen=True)
class Partition:
    """Which unit each contribution window belongs to.

    Attributes
    ----------
    labels
        int64 (n,), 0 for the unit with most windows.
    centroids
        float32 (units, C), mean direction of each unit's contribution.
    formations
        Per unit how surely it is one.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]
    formations: tuple[Formation, ...] = ()

    def channels(self, unit: int) -> tuple[int, ...]:
        """Name the channels that carry most of a unit's evidence, the strongest first."""
        strength = np.maximum(self.centroids[unit], 0)
        order = np.argsort(-strength, kind="stable")
        carried = np.cumsum(strength[order]) / max(float(strength.sum()), 1e-12)
        return tuple(int(channel) for channel in order[: int(np.searchsorted(carried, _CARRIED)) + 1])


def partition(windows: Windows, classes: NDArray[np.int64], *, seed: int) -> Partition:
    """Sort contribution windows into units.

    Clusters of evidence, as many as are stable and the usual number at least, are split where their crops
    look different. Parts that no embedding tells apart are joined again, and so are twins: they look the same
    whatever channels carry them.

    Parameters
    ----------
    windows
        Contribution windows, at least one.
    classes
        int64 (n,), the class that each window spoke for; only windows of one class are joined.
    seed
        Source of chance.
    """
    sorting = _Sorting.of(windows, classes, seed)
    labels = sorting.sorted(np.arange(len(windows)))
    flow = directions(windows.vectors)
    centroids = [flow[labels == unit].mean(axis=0) for unit in range(int(labels.max()) + 1)]
    formed = formations(labels, sorting.narrow, sorting.stability(labels))
    return Partition(labels, np.stack(centroids).astype(np.float32), formed)


@dataclass(frozen=True)
class _Sorting:
    """How windows, all or a part of them, are sorted into units."""

    windows: Windows
    classes: NDArray[np.int64]
    views: Mapping[str, NDArray[np.float32]]
    narrow: Mapping[str, NDArray[np.float32]]
    number: int
    seed: int

    @classmethod
    def of(cls, windows: Windows, classes: NDArray[np.int64], seed: int) -> _Sorting:
        views = described(windows, directions(windows.vectors))
        number = choose_units(windows.vectors, len(np.unique(classes)), seed=seed)
        return cls(windows, classes, views, narrowed(views, seed=seed), number, seed)

    def sorted(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort the windows at the given positions: units from 0, the largest first."""
        classes, narrow = self.classes[rows], {name: points[rows] for name, points in self.narrow.items()}
        pieces = self._pieces(rows)
        main = _main_classes(pieces, classes)
        joined = join_inseparable(pieces, narrow, lambda a, b: main[a] == main[b])
        pieces = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        tones = [cloud[TONE] for cloud in clouds_of(pieces, {TONE: narrow[TONE]})]
        return by_size(_join_twins(pieces, self.windows.detail[rows], classes, tones, self.seed))

    def _pieces(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Cluster windows by how their evidence flows, and split each cluster by how it looks."""
        vectors = self.windows.vectors[rows]
        pieces = (
            fit_units(vectors, seed=self.seed, units=self.number).labels_.astype(np.int64)
            if vectors.shape[1]
            else np.zeros(len(rows), dtype=np.int64)
        )
        looks = {name: self.views[name][rows] for name in (SHAPE, TONE)}
        for unit in np.unique(pieces):
            own = np.flatnonzero(pieces == unit)
            found = split_each({name: points[own] for name, points in looks.items()}, seed=self.seed)
            pieces[own[found > 0]] = pieces.max() + found[found > 0]
        return np.unique(pieces, return_inverse=True)[1].astype(np.int64)

    def stability(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Say how well each unit comes back when only a part of the windows is sorted."""
        rng = np.random.default_rng(self.seed)
        return stability(labels, self.sorted, rng=rng, draws=_DRAWS, size=_DRAWN)


def _main_classes(pieces: NDArray[np.int64], classes: NDArray[np.int64]) -> list[int]:
    return [int(np.bincount(classes[pieces == piece]).argmax()) for piece in range(int(pieces.max()) + 1)]


def _join_twins(
    pieces: NDArray[np.int64],
    detail: NDArray[np.float32],
    classes: NDArray[np.int64],
    tones: Sequence[Cloud],
    seed: int,
) -> NDArray[np.int64]:
    """Give twins one label: pieces of one main class whose crops cannot be told apart, nor their tones."""
    rng = np.random.default_rng(seed)
    numbers = range(int(pieces.max()) + 1)
    rows = [np.flatnonzero(pieces == number) for number in numbers]
    chosen = [rng.choice(own, min(_COMPARED, len(own)), replace=False) for own in rows]
    crops = [_Crops(detail[own]) for own in chosen]
    main = _main_classes(pieces, classes)
    leader = list(numbers)
    for a in numbers:
        for b in range(a):
            may = main[a] == main[b] and leader[a] != leader[b] and separation(tones[a], tones[b]) < APART
            if may and _are_twins(crops[a], crops[b]):
                joined, gone = sorted((leader[a], leader[b]))
                leader = [joined if number == gone else number for number in leader]
    return np.array(leader, dtype=np.int64)[pieces]


class _Crops:
    """Crops of a piece, prepared once for all pieces that they are held against."""

    def __init__(self, detail: NDArray[np.float32]) -> None:
        self._detail = detail

    def __len__(self) -> int:
        return len(self._detail)

    @cached_property
    def shifted(self) -> Shifted:
        """The crops at every shift."""
        return Shifted.of(self._detail)

    @cached_property
    def likeness(self) -> float:
        """How much they are alike among themselves."""
        match = self.shifted.correlation(self.shifted)
        np.fill_diagonal(match, -1)
        return _nearest(match)


def _are_twins(a: _Crops, b: _Crops) -> bool:
    if min(len(a), len(b)) < 6:
        return False
    across = min(_nearest(one.shifted.correlation(other.shifted)) for one, other in ((a, b), (b, a)))
    # Held against the more alike of the two: anything resembles blank tissue as much as tissue does itself.
    return across >= _TWIN * max(a.likeness, b.likeness)


def _nearest(match: NDArray[np.float32]) -> float:
    return float(np.sort(match, axis=1)[:, -3:].mean())
