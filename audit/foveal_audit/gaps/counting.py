"""Groups of production samples of a kind that training hardly holds.

The samples are ordered by how surely they come from production. Where the highest scores belong to
production far more often than its size explains, that excess, and not any single odd sample, is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Part of a group that must be in excess of what training would have there: production holds it five times
#: as often as training.
PURITY = 0.8
#: Smallest group: this many samples, or this share of production.
SMALLEST, SMALLEST_SHARE = 5, 0.005
#: A sample belongs to a group where at least this part of those like it is in excess.
_MARGIN = 0.75
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Counted:
    """Samples in the order of their scores, the most foreign first.

    Attributes
    ----------
    levels
        The scores of production at which a group can begin, falling.
    produced
        Number of production samples at or above each level.
    trained
        Number of training samples there; of samples or of their harmless copies, whichever are more.
    """

    levels: Scores
    produced: NDArray[np.int64]
    trained: Scores
    of_production: int
    of_training: int

    @property
    def expected(self) -> Scores:
        """Number of production samples that training explains: one standard error more than counted."""
        # The lowest of many thresholds is the one that chance favours.
        usual = self.trained + np.sqrt(self.trained) + 0.5
        return np.asarray(usual * self.of_production / max(self.of_training, 1))


def count(produced: Scores, trained: Scores, copied: Scores) -> Counted:
    """Count both at every level.

    Parameters
    ----------
    produced, trained
        Highest score of each production and training sample.
    copied
        The same of harmless copies of training samples; may be empty, or fewer than those.
    """
    levels = np.unique(produced[np.isfinite(produced)])[::-1]
    above = len(produced) - np.searchsorted(np.sort(produced), levels)
    alike = len(trained) - np.searchsorted(np.sort(trained), levels)
    changed = len(copied) - np.searchsorted(np.sort(copied), levels)
    # The larger: a classifier knows copies as training by the change alone, and scores them low.
    usual = np.maximum(alike, changed * len(trained) / max(len(copied), 1))
    return Counted(levels, above, usual, len(produced), len(trained))


def threshold(counted: Counted) -> float | None:
    """Choose where the group begins: most samples in excess, each below the level rather not.

    Returns
    -------
    The level, or None where no group is large and pure enough.
    """
    enough = counted.produced >= max(SMALLEST, SMALLEST_SHARE * counted.of_production)
    pure = 1 - counted.expected / np.maximum(counted.produced, 1) >= PURITY
    gain = counted.produced - counted.expected / (1 - _MARGIN)
    good = enough & pure
    if not good.any():
        return None
    return float(counted.levels[np.argmax(np.where(good, gain, -np.inf))])
