"""How well a map finds what a mask marks: one number per sample and measure, for any number of axes.

Maps are taken as they are, signed and unscaled, and judged by the order of their values: no measure changes
when a map is multiplied by a positive number. Where values are equal, every order of them is equally likely
and the expected value is given, so that a flat map scores what chance scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Truth:
    """What the model used in one sample.

    Attributes
    ----------
    mask
        bool (*S), True on the object; neither empty nor everywhere True.
    near
        The mask and all positions no further than the tolerance from it.
    """

    mask: Mask
    near: Mask

    @classmethod
    def of(cls, mask: Mask, tolerance: float) -> Truth:
        """Widen a mask by ``tolerance`` positions, measured straight (Euclidean) between centres."""
        return cls(mask, np.asarray(distance_transform_edt(~mask) <= tolerance))


def sensitivity(map_: Floats, truth: Truth) -> float:
    """Give the share of the truth that the map marks, where it marks as many positions as the truth has.

    The positions marked are the map's largest, as many as the mask holds. So the threshold is the truth's
    own area for every method, and neither the scale of a map nor a taste in thresholds enters. With this
    threshold sensitivity and precision are the same number.
    """
    return _marked_inside(map_, truth.mask) / int(truth.mask.sum())


def specificity(map_: Floats, truth: Truth) -> float:
    """Give the share of the rest that the map leaves unmarked; it marks as :func:`sensitivity` says."""
    inside = int(truth.mask.sum())
    return 1 - (inside - _marked_inside(map_, truth.mask)) / (truth.mask.size - inside)


def roc_auc(map_: Floats, truth: Truth) -> float:
    """Give the chance that a position of the truth has a larger value than one outside: no threshold."""
    ranks = rankdata(map_.ravel())[truth.mask.ravel()]
    inside, outside = len(ranks), truth.mask.size - len(ranks)
    return float((ranks.sum() - inside * (inside + 1) / 2) / (inside * outside))


def pointing(map_: Floats, truth: Truth) -> float:
    """Give 1 where the map's maximum lies on the truth or near it, else 0 (Zhang et al., ECCV 2016).

    Where several positions hold the maximum it is their share that lies there.
    """
    return float(truth.near[map_ == map_.max()].mean())


def relevance_mass(map_: Floats, truth: Truth) -> float:
    """Give the share of the map's positive values that lies on the truth; 0 where there are none."""
    positive = np.clip(map_, 0, None).astype(np.float64)
    total = positive.sum()
    return float(positive[truth.mask].sum() / total) if total > 0 else 0.0


#: The measures by name, as reports list them. All go from 0 to 1 and more is better.
LOCALISATION: dict[str, Callable[[Floats, Truth], float]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "auc": roc_auc,
    "pointing": pointing,
    "mass": relevance_mass,
}


def _marked_inside(map_: Floats, mask: Mask) -> float:
    """Count the positions of the mask among the map's largest; equal values at the edge count in part."""
    wanted = int(mask.sum())
    lowest = np.partition(map_.ravel(), -wanted)[-wanted]
    above, equal = map_ > lowest, map_ == lowest
    share = (wanted - int(above.sum())) / int(equal.sum())
    return int((above & mask).sum()) + share * int((equal & mask).sum())
