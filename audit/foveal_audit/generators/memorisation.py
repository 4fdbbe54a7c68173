"""Whether a generator draws new crops or hands out the ones it has seen."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from .crops import Crops
from .metrics import nearest_crops, pixel_distances

INVISIBLE = 2 / 255  # root mean square difference that an eye does not see
_MOST_COPIES = 0.05  # share of copies above which a generator counts as having memorised
_FEWEST_UNSEEN = 4


class Copying(TypedDict):
    """What the search for copies found.

    Attributes
    ----------
    nearest_ratio
        Median pixel distance to the nearest training crop, generated over unseen real crops; well below 1
        means copies or blur. None where real crops repeat each other exactly.
    copies
        Share of generated crops that to the eye are a training crop, or come far nearer to one than unseen
        real crops do.
    memorised
        More than 5 % copies: the pictures must be handled like the crops themselves.
    duplicates
        Share of training crops that to the eye are the same as another one.
    """

    nearest_ratio: float | None
    copies: float
    memorised: bool
    duplicates: float


def find_copies(made: Crops, train: Crops, unseen: Crops) -> Copying:
    """Look for generated crops that are a training crop rather than a new one.

    A blurred crop is nearer to every real crop than real crops are to each other, on pure texture by a factor
    of 0.7; a copy comes much nearer to one. Half of what the nearest tenth of unseen crops reaches separates
    the two (compare Carlini et al. 2023, "Extracting training data from diffusion models").

    Parameters
    ----------
    made, train, unseen
        (n, C, h, w) in [0, 1]. With fewer than four unseen crops, training crops stand in for them, each
        without itself.
    """
    within = pixel_distances(train, train)
    np.fill_diagonal(within, np.inf)
    alone = within.min(axis=1)
    usual = nearest_crops(unseen, train)[1] if len(unseen) >= _FEWEST_UNSEEN else alone
    distance = nearest_crops(made, train)[1]
    typical = float(np.median(usual))
    copies = float((distance < max(INVISIBLE, 0.5 * float(np.quantile(usual, 0.1)))).mean())
    return {
        "nearest_ratio": round(float(np.median(distance)) / typical, 4) if typical > 1e-6 else None,
        "copies": round(copies, 4),
        "memorised": copies > _MOST_COPIES,
        "duplicates": round(float((alone < INVISIBLE).mean()), 4),
    }
