"""What every kind of sample is made of: an array (*S, C), the last axis its channels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: One to three axes of space or time, then the channels; of a type in :data:`FULL_SCALE`.
Values: TypeAlias = NDArray[Any]

#: The types that samples have, each with the number that counts as 1: floats are in the sample's own unit.
FULL_SCALE = {
    np.dtype(np.uint8): 255.0,
    np.dtype(np.uint16): 65535.0,
    np.dtype(np.int16): 32768.0,
    np.dtype(np.float32): 1.0,
}

#: Largest number of values that a sample may have: its size is read from the header, before memory is taken.
MAX_VALUES = 2**28


def axes_of(values: Values) -> int:
    """Count the axes of space or time."""
    return values.ndim - 1
