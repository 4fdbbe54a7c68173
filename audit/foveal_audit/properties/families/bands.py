"""Hum: power of traces in a narrow band, and how it is shared out among the bands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import median_filter

from foveal_audit.properties.tiles import Batch, Floats

#: Bands, each twice as wide as the one below it, from the highest frequency down; frequencies around one that
#: its power is held against.
_BANDS, _BESIDE = 6, 9
#: Power that is nothing: of noise of a ten thousandth of what traces span.
_FLOOR = np.float32(1e-8)


def bands(batch: Batch) -> Mapping[str, Floats]:
    """Measure the strongest narrow band against its neighbours, and the power of each band, logarithms.

    ``hum`` is what mains leave in a recording: the largest ratio of a frequency's power to the median of
    those around it. ``band 0`` is the highest octave of a tile's spectrum.
    """
    tiles = batch.residual
    power = np.abs(np.fft.rfft(tiles * np.hanning(tiles.shape[2]).astype(np.float32), axis=2)) ** 2
    power = np.asarray(power[..., 1:] / tiles.shape[2], dtype=np.float32)
    beside = median_filter(power, (1, 1, _BESIDE), mode="nearest")
    found = {"hum": np.log((power + _FLOOR) / (beside + _FLOOR)).max(axis=2)}
    high = power.shape[2]
    for number in range(_BANDS):
        low = high // 2
        if low < 1:
            break
        found[f"band {number}"] = np.log(power[..., low:high].mean(axis=2) + _FLOOR)
        high = low
    return {name: np.asarray(values, dtype=np.float32) for name, values in found.items()}
