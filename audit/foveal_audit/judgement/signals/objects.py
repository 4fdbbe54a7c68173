"""Where a facet lies beside the object: outside of it, and whether the two move together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foveal.crops import inside
from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance, superiority, those
from foveal_audit.judgement.signals.question import Question
from foveal_audit.windows import Samples, Windows

#: Pictures in which both were seen, at least; and how far, as shares of the picture, either has to move.
_PICTURES, _SPREAD = 15, 0.08


def heat_outside(
    windows: Windows, samples: Samples, rois: Mapping[str, NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Give the share of each window's heat that lies outside the regions of its sample (nan: nobody said)."""
    names = samples.names
    return np.array(
        [
            _outside(windows.maps[row], windows.boxes[row], rois.get(str(names[windows.owner[row]])))
            for row in range(len(windows))
        ],
        dtype=np.float64,
    )


def _outside(heat: NDArray[np.float32], box: NDArray[np.int64], regions: NDArray[np.int64] | None) -> float:
    """Integrate a window's raw map, positive parts alone, over what no region covers."""
    if regions is None or not len(regions):
        return float("nan")
    axes = len(box) // 2
    covered = np.zeros(tuple((box[axes:] - box[:axes]).tolist()), dtype=bool)
    for region in np.maximum(np.asarray(regions) - np.tile(box[:axes], 2), 0).tolist():
        covered[inside(tuple(region))] = True
    grid = heat.reshape(heat.shape[-axes:]) if heat.ndim >= axes else np.ones((1,) * axes)
    weight = np.maximum(grid, 0)
    for axis, side in enumerate(covered.shape):
        weight = weight.take(np.arange(side) * weight.shape[axis] // side, axis=axis)
    total = float(weight.sum())
    return float(weight[~covered].sum() / total) if total > 0 else float((~covered).mean())


def outside_object(asked: Question) -> Signal | None:
    """Share of the facet's evidence that lies outside the regions of interest; against other facets' windows.

    Higher speaks for an artefact. The p-value ranks the facet's windows among those of other facets.
    """
    if asked.around.rois is None:
        return None
    own = heat_outside(asked.windows, asked.around.samples, asked.around.rois)
    other = asked.of_pool(
        "outside", partial(heat_outside, samples=asked.around.samples, rois=asked.around.rois)
    )
    own, other = own[np.isfinite(own)], other[np.isfinite(other)]
    ranked = superiority(own, other)
    if len(own) < _PICTURES:
        return None
    return Signal(float(own.mean()), None if ranked is None else ranked.p)


def togetherness(
    centres: NDArray[np.float64], anchors: NDArray[np.float64], rng: np.random.Generator
) -> Signal | None:
    """Say how far two places move together from picture to picture.

    Parameters
    ----------
    centres, anchors
        (n, axes) as shares of the sample's sides: of the facet, and of what it may belong to, in each
        picture.
    rng
        Draws the null: anchors taken from other pictures.

    Returns
    -------
    Correlation of how far both are off their usual places, all axes together: 1 = one moves as the other
    does, 0 = not tied to it. None where fewer than 15 pictures show both, or where the anchors hardly move,
    so that nothing can be seen to move with them. The p-value says how often chance ties them as closely.
    """
    if len(centres) < _PICTURES or _spread(anchors) < _SPREAD:
        return None
    own, theirs = centres - centres.mean(axis=0), anchors - anchors.mean(axis=0)
    size = float(np.sqrt((own**2).sum() * (theirs**2).sum()))
    if size < 1e-9:
        return Signal(0.0, 1.0)  # it stays where it is while the other moves
    null = [float((own * theirs[rng.permutation(len(theirs))]).sum()) for _ in range(PERMUTATIONS)]
    value = float((own * theirs).sum()) / size
    return Signal(value, exceedance(value, np.array(null) / size))


def _spread(places: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(places - np.median(places, axis=0), axis=1).mean())


def moves_with_roi(asked: Question) -> Signal | None:
    """How far the facet moves with the region of interest of its picture; lower speaks for an artefact."""
    rois, samples = asked.around.rois, asked.around.samples
    if rois is None:
        return None
    owners = asked.windows.owner.tolist()
    told = [
        (row, rois.get(str(samples.names[owner])), samples.shapes[owner]) for row, owner in enumerate(owners)
    ]
    known = [(row, own, shape) for row, own, shape in told if own is not None and len(own)]
    if not known:
        return None
    rows = np.array([row for row, _, _ in known])
    axes = asked.windows.axes
    middles = [(own[:, :axes] + own[:, axes:]).mean(axis=0) / 2 / shape[:axes] for _, own, shape in known]
    return togetherness(asked.centres[rows], np.array(middles), asked.chance("moves_with_roi"))


def beside_the_object(asked: Question) -> dict[str, Signal]:
    """Measure whether the facet lies on the object and moves with it; see the functions of each."""
    return those(outside_object=outside_object(asked), moves_with_roi=moves_with_roi(asked))
