"""Arrays that people saved with NumPy: checked by their header before any memory is taken."""

from __future__ import annotations

import numpy as np

from foveal.errors import UsageError
from foveal.samples.arrays import MAGIC, array_header
from foveal.samples.values import FULL_SCALE, MAX_VALUES, Values


def is_npy(data: bytes) -> bool:
    """Tell NumPy's format."""
    return data.startswith(MAGIC)


def decode_npy(data: bytes, name: str, axes: int) -> Values:
    """Read an array (*S) or (*S, C) of any real numbers.

    Returns
    -------
    Values
        (*S, C): the types of samples as they are, all others as float32.

    Raises
    ------
    UsageError
        If it is no such array, is cut short, or holds numbers that are not finite; names the sample.
    """
    shape, fortran, kind, start = array_header(data, name)
    if (
        len(shape) not in (axes, axes + 1)
        or kind.kind not in "biuf"
        or np.prod(shape, dtype=float) > MAX_VALUES
    ):
        raise UsageError(
            f"Sample {name!r} is an array {shape} of {kind}",
            f"Give numbers along {axes} {'axis' if axes == 1 else 'axes'}, the channels last",
        )
    values: Values = np.frombuffer(data, kind, offset=start).reshape(shape, order="F" if fortran else "C")
    if len(shape) == axes:
        values = values[..., None]
    return as_sample(values, name)


def as_sample(values: Values, name: str) -> Values:
    """Bring an array to a type that samples have; numbers that are not finite are refused, not replaced."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if native.dtype not in FULL_SCALE:
        with np.errstate(over="ignore"):
            native = native.astype(np.float32)
    if native.dtype == np.float32 and not np.isfinite(native).all():
        raise UsageError(
            f"Sample {name!r} holds numbers that are not finite", "Fill the missing values before sending it"
        )
    return np.ascontiguousarray(native)
