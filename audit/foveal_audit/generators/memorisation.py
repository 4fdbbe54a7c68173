"""Whether a generator draws new crops or hands out the ones it has seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from .crops import Crops
from .metrics import nearest_crops, pixel_distances

INVISIBLE = 2 / 255  # root mean square difference that an eye does not see
_MOST_COPIES = 0.05  # share of copies above which a generator counts as having memorised
_FEWEST_UNSEEN = 4
_ALIKE = 2 * INVISIBLE  # root mean square difference up to which two real crops show the same thing
_SHARED = 5  # other samples that look the same: then a look is nobody's own


class Copying(TypedDict):
    """What the search for copies found.

    Attributes
    ----------
    nearest_ratio
        Median pixel distance to the nearest training crop, generated over unseen real crops; well below 1
        means copies or blur. None where real crops repeat each other exactly.
    copies
        Share of generated crops that to the eye are a training crop, or come far nearer to one than unseen
        real crops do. A look that five other samples share, as a stamp does, is nobody's and does not count.
    memorised
        More than 5 % copies: the pictures must be handled like the crops themselves.
    duplicates
        Share of training crops that to the eye are the same as another one.
    """

    nearest_ratio: float | None
    copies: float
    memorised: bool
    duplicates: float


def find_copies(
    made: Crops, train: Crops, unseen: Crops, groups: Sequence[Hashable] | None = None
) -> Copying:
    """Look for generated crops that are a training crop rather than a new one.

    A blurred crop is nearer to every real crop than real crops are to each other, on pure texture by a factor
    of 0.7; a copy comes much nearer to one. Half of what the nearest tenth of unseen crops reaches separates
    the two (compare Carlini et al. 2023, "Extracting training data from diffusion models").

    Parameters
    ----------
    made, train, unseen
        (n, C, *s) in [0, 1]. With fewer than four unseen crops, training crops stand in for them, each
        without itself.
    groups
        What each training crop belongs to. Without them no look is known to be shared by several samples.
    """
    within = pixel_distances(train, train)
    np.fill_diagonal(within, np.inf)
    alone = within.min(axis=1)
    usual = nearest_crops(unseen, train)[1] if len(unseen) >= _FEWEST_UNSEEN else alone
    nearest, distance = nearest_crops(made, train)
    typical = float(np.median(usual))
    copies = float(((distance < _reach(usual)) & _own(within, groups)[nearest]).mean())
    return {
        "nearest_ratio": round(float(np.median(distance)) / typical, 4) if typical > 1e-6 else None,
        "copies": round(copies, 4),
        "memorised": copies > _MOST_COPIES,
        "duplicates": round(float((alone < INVISIBLE).mean()), 4),
    }


def _reach(usual: NDArray[np.float64]) -> float:
    """Give the distance below which a crop counts as a copy, from how far unseen crops usually are."""
    return max(INVISIBLE, 0.5 * float(np.quantile(usual, 0.1)))


def _own(within: NDArray[np.float64], groups: Sequence[Hashable] | None) -> NDArray[np.bool_]:
    """Mark the crops (n,) whose look is not shared by several other samples."""
    if groups is None:
        return np.ones(len(within), bool)
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    member = np.array([names[name] for name in groups], np.int64)
    alike = (within < _ALIKE) & (member[:, None] != member)
    return np.array([len(np.unique(member[row])) < _SHARED for row in alike], bool)


@dataclass(frozen=True)
class CopyGuard:
    """Tells copies of real crops, so that none is shown or served.

    Attributes
    ----------
    crops
        (n, C, *s) every real crop there is, registered.
    reach
        Root mean square difference below which a generated crop is a copy.
    own
        (n,) whether a crop's look is its own; None where every one is taken to be.
    """

    crops: Crops
    reach: float
    own: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, crops: Crops, groups: Sequence[Hashable] | None = None) -> CopyGuard:
        """Take the usual distance of each real crop to its nearest other one as the measure."""
        within = pixel_distances(crops, crops)
        np.fill_diagonal(within, np.inf)
        return cls(crops, _reach(within.min(axis=1)), _own(within, groups))

    def flags(self, made: Crops) -> NDArray[np.bool_]:
        """Mark the copies among generated crops, (n,)."""
        nearest, distance = nearest_crops(made, self.crops)
        near = distance < self.reach
        return np.asarray(near if self.own is None else near & self.own[nearest])
