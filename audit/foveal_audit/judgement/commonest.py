"""Which value of a metadata column a facet goes with most: the site of a mark, for example."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from foveal_audit.windows import Samples, Strings


def commonest_values(owners: NDArray[np.int64], samples: Samples, outcome: int) -> Mapping[str, str]:
    """Say per metadata column which value the pictures with a facet have more often than the others.

    Only training pictures that are answered with the class are compared, so that the class explains nothing.

    Parameters
    ----------
    owners
        Positions of the samples that show the facet.
    samples
        The library's samples.
    outcome
        The model's class that the facet speaks for.

    Returns
    -------
    Column to the end of a sentence; columns in which no value stands out are left out.
    """
    rows = np.flatnonzero(samples.of("training") & (samples.predicted == outcome))
    shown = np.isin(rows, owners)
    if not shown.any() or shown.all():
        return {}
    found = {column: _commonest(values[rows], shown) for column, values in samples.metadata.items()}
    return {column: said for column, said in found.items() if said}


def _commonest(values: Strings, shown: NDArray[np.bool_]) -> str:
    """Give the value that is most more frequent where the facet shows, with both shares."""
    names = [name for name in np.unique(values).tolist() if name]
    shares = {name: ((values[shown] == name).mean(), (values[~shown] == name).mean()) for name in names}
    best = max(shares, key=lambda name: shares[name][0] - shares[name][1], default=None)
    if best is None or shares[best][0] <= shares[best][1]:
        return ""
    with_it, without = shares[best]
    return f"{with_it:.0%} of the training pictures that show it have {best!r}, {without:.0%} of the others"
