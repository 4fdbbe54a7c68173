"""Signals of a property: what is measured of it, each with its direction and where it comes from.

``property:NAME``
    Distance of carriers from the rest in that statistic, in standard deviations of the rest; negative where
    carriers have little of it. p: of the class going with it, see :class:`.splitting.Split`.
``property_ubiquity``
    2 AUROC - 1 of the tile at the lower quartile (:func:`.splitting.ubiquity`), .2 to 1, with its p-value.
    **Higher = rather an artefact**: what belongs to an object is where the object is.
``property_background``
    The same where a tile does not count in a picture whose region of interest reaches into it; only with
    regions. **Higher = rather an artefact.**
``property_purity``
    Part of the carriers that belong to the class, were it as large as the rest, .6 to 1. p as above.
    Higher = it goes with the class, artefact or not.
``property_prevalence``
    Share of the class that carries it, 0 to 1. **Lower = rather an artefact**: the class is recognised
    without it. 1 where the class is never answered without it: only labels tell it from the class then.
``property_likeness``
    1 - Kolmogorov-Smirnov distance between the class and the others, carriers left out, 0 to 1; 0 where too
    few are left. **Higher = rather an artefact**: what makes a class shades off, a mark is there or not.
``property_false_answers``
    With labels: rise of the share of pictures of other classes that are given the class, where they carry
    it, -1 to 1; p hypergeometric. **Higher = rather an artefact** (idea: Domino, FACTS).
``property_fidelity``
    How far pictures that it is carried over to come to differ as carriers do, about 0 to 1
    (:meth:`.profile.Profile.along`). Higher = the causal test is about this property.
``carried_over:COMPONENT``
    Rise of the class's centred logit when that component is carried over, in standard deviations over
    pictures of all roles; p one-sided, two-way clustered. Higher = relied on.
``taken_away:COMPONENT``
    Fall of the same when carriers lose it, in the same unit. Higher = relied on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from foveal_audit.judgement.signals import Signal
from foveal_audit.properties.splitting import Split, ubiquity
from foveal_audit.properties.tiles import GRIDS
from foveal_audit.properties.transfer import Transferred
from foveal_audit.rois import Rois
from foveal_audit.windows import Samples

#: Pictures of other classes on either side that a comparison needs.
_FEWEST = 5


def signals_of(
    split: Split,
    transferred: Transferred | None,
    samples: Samples,
    rows: NDArray[np.int64],
    outcome: int,
    rois: Rois | None,
) -> dict[str, Signal]:
    """Measure all signals of a property; see the module for each.

    Parameters
    ----------
    split, transferred
        The property and what carrying it over does.
    samples
        Of the library.
    rows
        int64 (n,), the samples that the split is about.
    outcome
        The class.
    rois
        Regions of interest by sample name, or None.
    """
    found = {
        f"property:{split.name}": Signal(split.sign * split.distance, split.p),
        "property_ubiquity": Signal(*split.ubiquity),
        "property_purity": Signal(split.purity, split.p),
        "property_prevalence": Signal(split.prevalence[0], None),
        "property_likeness": Signal(split.likeness, None),
    }
    if transferred is not None:
        for name, effect in (
            ("carried_over", transferred.paste_logit),
            ("taken_away", transferred.removal_logit),
        ):
            found[f"{name}:{transferred.component}"] = Signal(effect.estimate, effect.p)
        found["property_fidelity"] = Signal(transferred.fidelity, None)
    labelled = bool((samples.labels[rows] != "").all())
    false = false_answers(split, samples.predicted[rows] == outcome) if labelled else None
    background = _background(split, samples, rows, rois) if rois else None
    optional = {"property_false_answers": false, "property_background": background}
    return found | {name: signal for name, signal in optional.items() if signal is not None}


def false_answers(split: Split, answered: NDArray[np.bool_]) -> Signal | None:
    """Say how much more often carriers of other classes are given the class; None where they are too few.

    Parameters
    ----------
    split
        Of labelled pictures (n,).
    answered
        bool (n,), whether the model gives the class.
    """
    carriers, rest = ~split.own & split.carries, ~split.own & ~split.carries
    if min(carriers.sum(), rest.sum()) < _FEWEST:
        return None
    wrong, total = int(answered[carriers].sum()), int(answered[~split.own].sum())
    rise = answered[carriers].mean() - answered[rest].mean()
    p = hypergeom.sf(wrong - 1, int((~split.own).sum()), total, int(carriers.sum()))
    return Signal(float(rise), float(max(p, 1e-12)))


def _background(split: Split, samples: Samples, rows: NDArray[np.int64], rois: Rois) -> Signal | None:
    """Ask for ubiquity outside the regions; None for statistics that are not of the grid's tiles."""
    if split.values.shape[1] != GRIDS[samples.axes].tiles ** samples.axes:
        return None
    values = split.values.copy()
    for place, row in enumerate(rows.tolist()):
        for box in rois.get(str(samples.names[row]), ()):
            values[place, covered(box, samples.shapes[row])] = np.nan
    return Signal(*ubiquity(values, split.sign, split.threshold))


def covered(box: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Say which tiles of a sample (*S, C) a box reaches into, (tiles,), the last axis first."""
    axes = len(shape) - 1
    tiles, reached = GRIDS[axes].tiles, np.ones(1, dtype=bool)
    for axis in range(axes):
        edges = np.arange(tiles + 1) * shape[axis] / tiles
        along = (edges[:-1] < box[axes + axis]) & (edges[1:] > box[axis])
        reached = np.logical_and.outer(reached, along).ravel()
    return reached
