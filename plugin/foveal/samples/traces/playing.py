"""Sounds for the ear: WAV files that any browser plays."""

from __future__ import annotations

import io
import wave

import numpy as np

from foveal.samples.values import FULL_SCALE, Values

_LOUDEST = 32767
_MOST_CHANNELS = 2


def encode_wav(values: Values, spacing: tuple[float, ...]) -> bytes:
    """Write a sound (T, C) as WAV of 16 bits, its first two channels; what is louder than 1 is cut off.

    Parameters
    ----------
    spacing
        Seconds from one step to the next.
    """
    heard = values[:, :_MOST_CHANNELS].astype(np.float64) / FULL_SCALE[values.dtype]
    if values.dtype.kind == "u":
        heard = 2 * heard - 1
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(heard.shape[1])
        file.setsampwidth(2)
        file.setframerate(max(1, round(1 / spacing[0])))
        file.writeframes((heard.clip(-1, 1) * _LOUDEST).round().astype("<i2").tobytes())
    return out.getvalue()
