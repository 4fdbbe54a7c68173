"""Evidence that may be looked at after every pair: a gambler who wins only where the null is wrong.

Under the null a bet on the next difference is fair or worse, so the capital is a non-negative
supermartingale and passes 1 / alpha with probability alpha at most, whenever one looks (Ville 1939). The bet
is a mixture over fixed stakes, which needs no tuning and does not depend on the order of the pairs
(Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024; Shafer,
"Testing by betting", JRSS-A 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

#: Where logarithms are cut: a pair that loses all but nothing, and a capital beyond counting.
_RUIN, _MOST = -1 + 1e-12, 690.0
#: Shares of the largest stake that cannot ruin: small ones find weak effects, large ones are quick.
_STAKES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95])
_BOLD = np.array([1.0])


def evidence_above(differences: NDArray[np.float64], level: float = 0.0, *, boldly: bool = False) -> float:
    """Give the e-value against "the mean is at most ``level``".

    Parameters
    ----------
    differences
        float64 (n,), independent and between -1 and 1, such as changes of a probability.
    level
        Between -1 and 1, both excluded.
    boldly
        Stake all that cannot be lost at once, instead of a mixture: best where the differences hardly vary.

    Returns
    -------
    The capital, 0 upwards: 1 says nothing, 20 is reached by chance at most once in twenty facets, however
    often one looks.
    """
    stakes = (_BOLD if boldly else _STAKES) / (1 + level)  # no pair can lose more than 1 + level
    grown = np.log1p(np.maximum(np.outer(stakes, differences - level), _RUIN)).sum(axis=1)
    return float(np.exp(np.minimum(logsumexp(grown) - np.log(len(stakes)), _MOST)))


def evidence_below(differences: NDArray[np.float64], level: float = 0.0, *, boldly: bool = False) -> float:
    """Give the e-value against "the mean is at least ``level``"; see :func:`evidence_above`."""
    return evidence_above(-differences, -level, boldly=boldly)
