"""False-discovery control over all facets of an audit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def benjamini_yekutieli(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust p-values for many facets that may depend on each other.

    Parameters
    ----------
    p_values
        float64 (n,), 0 to 1.

    Returns
    -------
    float64 (n,): the false discovery rate at which each would just be flagged (Benjamini and Yekutieli 2001).
    """
    number = len(p_values)
    if not number:
        return np.empty(0)
    order = np.argsort(p_values)
    harmonic = (1 / np.arange(1, number + 1)).sum()
    scaled = p_values[order] * number * harmonic / np.arange(1, number + 1)
    adjusted = np.empty(number)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(adjusted, 1)
