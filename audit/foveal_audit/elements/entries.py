"""What ``<foveal-overlay>`` is told about an entry."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels


def entry_block(pixels: Pixels, evidence: NDArray[np.floating], label: str = "") -> dict[str, Any]:
    """Give the element's JSON.

    Parameters
    ----------
    pixels
        (h, w, C), 8 or 16 bits; all of its depth reaches the window.
    evidence
        (rows, columns) raw signed map; values that are not finite count as none.
    label
        Which entry it is, for people.
    """
    kind = pixels.dtype.newbyteorder("<")
    field = np.nan_to_num(np.asarray(evidence, "<f4"), posinf=0, neginf=0)
    return {
        "label": label,
        "crop": {
            "shape": list(pixels.shape),
            "bits": 8 * pixels.dtype.itemsize,
            "values": _text(pixels.astype(kind).tobytes()),
        },
        "map": {"shape": list(field.shape), "values": _text(field.tobytes())},
    }


def _text(values: bytes) -> str:
    return base64.b64encode(values).decode()
