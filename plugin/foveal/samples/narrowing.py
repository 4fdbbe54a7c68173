"""Numbers as medical files hold them to one of the types that samples have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.samples.numpy_files import as_sample
from foveal.samples.values import MAX_VALUES, Values

_INT16 = np.iinfo(np.int16)


def narrowed(array: NDArray[Any], name: str) -> Values:
    """Bring real numbers to a type that samples have; what is not a number, as beside a body, counts as 0.

    Raises
    ------
    UsageError
        If the values are no real numbers, or are beyond float32; names the sample.
    """
    if array.dtype.kind not in "biuf":
        raise UsageError(
            f"Sample {name!r} has values of type {array.dtype}", "Save it as whole or real numbers"
        )
    missing = array.dtype.kind == "f" and np.isnan(array)
    return as_sample(np.where(missing, array.dtype.type(0), array) if np.any(missing) else array, name)


def rescaled(array: NDArray[Any], slope: float, intercept: float, name: str) -> Values:
    """Give slope * values + intercept: int16 where that loses nothing, float32 otherwise.

    A slope or intercept that is not finite, or a slope of 0, means that nothing is to be rescaled.
    """
    if not (np.isfinite(slope) and np.isfinite(intercept) and slope) or (slope, intercept) == (1, 0):
        return narrowed(array, name)
    if array.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer():
        ends = [float(end) * slope + intercept for end in (array.min(), array.max())]
        if min(ends) >= _INT16.min and max(ends) <= _INT16.max:
            whole: NDArray[np.int16] = (array.astype(np.int64) * int(slope) + int(intercept)).astype(np.int16)
            return whole
    return narrowed(array.astype(np.float64) * slope + intercept, name)


def check_count(count: int, name: str) -> None:
    """Refuse a sample that promises more values than samples may have, before memory is taken for it.

    Raises
    ------
    UsageError
        Names the sample.
    """
    if not 0 < count <= MAX_VALUES:
        raise UsageError(
            f"Sample {name!r} promises {count} values, 1 to {MAX_VALUES} are read",
            "Cut or shrink it before sending it",
        )
