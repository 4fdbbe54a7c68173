"""What goes with a group of production samples: values of their metadata."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from foveal_audit.windows import Samples, Strings

#: A value explains a group where this part of the group has it, this much more than of the rest.
_SHARE, _LIFT = 0.5, 0.3
_SIGNIFICANT = 0.01


def explanations(members: NDArray[np.int64], samples: Samples) -> dict[str, str]:
    """Name per metadata column the value that goes with membership inside production.

    A value must be had by half of the group, by .3 more of it than of the rest of production, and by chance
    (hypergeometric, times the number of values of the column) with p <= .01.

    Parameters
    ----------
    members
        Positions of the group's samples.
    samples
        The library's samples.

    Returns
    -------
    Column to value; columns that explain nothing are left out.
    """
    production = np.flatnonzero(samples.of("production"))
    present = np.isin(production, members)
    found = {}
    for column, values in samples.metadata.items():
        best = max(_values(values[production], present), default=None)
        if best is not None:
            found[column] = best[1]
    return found


def _values(values: Strings, present: NDArray[np.bool_]) -> Iterator[tuple[float, str]]:
    """Give the values that explain the group, with how much more often it has them."""
    names = np.unique(values)
    for name in names:
        own = values == name
        inside, outside = own[present].mean(), own[~present].mean() if (~present).any() else 0.0
        if name == "" or inside < _SHARE or inside - outside < _LIFT:
            continue
        count = (int(own[present].sum()) - 1, len(own), int(own.sum()), int(present.sum()))
        if float(hypergeom.sf(*count)) * len(names) <= _SIGNIFICANT:
            yield float(inside - outside), str(name)
