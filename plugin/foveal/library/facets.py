"""Facets: the kinds of entries inside one feature, by what they are compared by.

A light way to look at a feature that responds to several things, with as many facets as one asks for. The
audit splits units in its own way, by appearance, and decides itself how many facets there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.library.query import Query
from foveal.library.spaces import APPEARANCE, Points, Space

#: Entries that the centres are learned from, drawn at random, and entries that are read at once.
_LEARNED_FROM = 20_000
_AT_ONCE = 2000
#: How often k-means starts anew, and its steps; the best of them counts.
_STARTS, _STEPS = 4, 30


@dataclass(frozen=True, eq=False)
class Facet:
    """Entries of a feature that are alike.

    Attributes
    ----------
    feature
        The feature.
    number
        0 for the largest facet of the feature, and so on.
    ids
        The entries' ids, those nearest to the centre first: the first ones are typical.
    centre
        float32 (dims,): the mean of the points of what it was learned from, each of length one.
    """

    feature: str
    number: int
    ids: tuple[str, ...]
    centre: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Facet({self.number} of {self.feature!r}: {len(self):,} entries)"


def split(query: Query, feature: str, k: int, seed: int) -> list[Facet]:
    """Split a feature's entries into facets; see :meth:`foveal.library.FeatureLibrary.facets`."""
    if k < 1:
        raise UsageError(f"Entries cannot be split into {k} facets", "Ask for 1 or more")
    sizes = query.spaces()
    space = max(sizes, key=lambda one: (sizes[one], one.model_sha256, one.layer, one.dims))
    columns = ["id", "model_sha256", "layer", "crop" if space == APPEARANCE else "vector"]
    columns = list(dict.fromkeys([*columns, "vector"]))
    learned = query.drawn(_LEARNED_FROM, seed, columns)
    centres = _centres(space.points(_of_space(learned, space)), k, seed)
    pieces = [_nearest(piece, space, centres) for piece in _pieces(query, space, columns)]
    ids = np.concatenate([ids for ids, _, _ in pieces])
    owner = np.concatenate([owner for _, owner, _ in pieces])
    distance = np.concatenate([distance for _, _, distance in pieces])
    order = np.lexsort((ids, distance))
    members = [ids[order[owner[order] == number]] for number in range(len(centres))]
    ranked = sorted(range(len(centres)), key=lambda one: (-len(members[one]), tuple(members[one][:1])))
    return [
        Facet(feature, number, tuple(members[one].tolist()), centres[one])
        for number, one in enumerate(ranked)
        if len(members[one])
    ]


def _pieces(query: Query, space: Space, columns: list[str]) -> Iterator[pa.Table]:
    for batch in query.batches(columns, _AT_ONCE):
        own = _of_space(batch, space)
        if len(own):
            yield own


def _of_space(entries: pa.Table, space: Space) -> pa.Table:
    """Keep the entries that are in a space."""
    if space == APPEARANCE:
        return entries.filter(pc.equal(pc.list_value_length(entries["vector"]), 0))
    wanted = pc.equal(pc.list_value_length(entries["vector"]), space.dims)
    for name in ("model_sha256", "layer"):
        wanted = pc.and_(wanted, pc.equal(entries[name], getattr(space, name)))
    return entries.filter(wanted)


def _centres(points: Points, k: int, seed: int) -> NDArray[np.float32]:
    """Find the centres of groups of points; fewer where there are not so many different points."""
    from scipy.cluster.vq import kmeans2, vq  # noqa: PLC0415 - only those who ask for facets wait for it

    different = np.unique(points, axis=0)
    if len(different) <= k:
        return different
    rng = np.random.default_rng(seed)
    best, least = different[:k], np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a group that became empty: it is left out
        for _ in range(_STARTS):
            centres, labels = kmeans2(points, k, iter=_STEPS, minit="++", seed=rng)
            centres = centres[np.unique(labels)]
            spread = float(np.square(vq(points, centres)[1]).sum())
            if spread < least:
                best, least = centres, spread
    return np.asarray(best, np.float32)


def _nearest(
    entries: pa.Table, space: Space, centres: NDArray[np.float32]
) -> tuple[NDArray[np.str_], NDArray[np.int32], NDArray[np.float32]]:
    """Give the entries' ids, the centre that each is nearest to, and how near."""
    from scipy.cluster.vq import vq  # noqa: PLC0415 - as above

    owner, distance = vq(space.points(entries), centres)
    return entries["id"].to_numpy().astype(str), owner, distance
