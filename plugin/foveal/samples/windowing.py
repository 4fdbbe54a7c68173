"""Window and level: which part of a sample's values becomes the network's 0 to 1.

Presets are in Hounsfield units, as commonly read: https://radiopaedia.org/articles/windowing-ct.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError, nearest
from foveal.samples.values import FULL_SCALE, Values

#: Low and high end; the name of a preset or of a rule; None for the whole range of the values' type.
Window: TypeAlias = tuple[float, float] | str | None

#: Centre and width.
_PRESETS = {
    "brain": (40.0, 80.0),
    "subdural": (75.0, 215.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "soft-tissue": (50.0, 400.0),
    "liver": (30.0, 150.0),
    "bone": (400.0, 1800.0),
}
#: Ends that follow from the sample itself.
_OWN = {"percentiles": (1.0, 99.0), "range": (0.0, 100.0)}
#: Values that percentiles are taken from at most; of more, one in so many.
_LOOKED_AT = 2**20


def read_window(value: object) -> Window:
    """Read ``preprocess.window``: [low, high], a preset, ``percentiles`` (1st to 99th), ``range``, or null.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if value in _PRESETS or value in _OWN:
            return value
        raise UsageError(f"preprocess.window is {value!r}", nearest(value, [*_OWN, *_PRESETS]))
    if isinstance(value, Sequence) and len(value) == 2 and all(_is_number(end) for end in value):
        low, high = (float(end) for end in value)
        if -np.inf < low < high < np.inf:
            return low, high
    names = ", ".join([*_OWN, *_PRESETS])
    raise UsageError(
        f"preprocess.window is {value!r}", f"Give [low, high] with low < high, or one of {names}"
    )


def to_unit(values: Values, window: Window) -> NDArray[np.float32]:
    """Give values as shares of the window, float32, clipped to [0, 1]; without a window, of their type.

    A sample all of one value becomes 0 under the rules that look at the sample.
    """
    if window is None:
        share: NDArray[np.float32] = values.astype(np.float32) / np.float32(FULL_SCALE[values.dtype])
        return share
    low, high = ends(values, window)
    if high <= low:
        return np.zeros(values.shape, np.float32)
    clipped: NDArray[np.float32] = np.clip(
        (values.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0, 1
    )
    return clipped


def ends(values: Values, window: tuple[float, float] | str) -> tuple[float, float]:
    """Resolve a window for a sample: its low and high end."""
    if not isinstance(window, str):
        return window
    if window in _OWN:
        flat = values.reshape(-1)
        low, high = np.percentile(flat[:: -(-flat.size // _LOOKED_AT)], _OWN[window])
        return float(low), float(high)
    center, width = _PRESETS[window]
    return center - width / 2, center + width / 2


def _is_number(value: Any) -> bool:  # noqa: ANN401 - whatever YAML gave
    return isinstance(value, int | float) and not isinstance(value, bool)
