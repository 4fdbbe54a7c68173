"""How a picture was taken: light, colour, noise, sharpness and compression of the whole of it.

Statistics of the file, not of what it shows. Differences below about three of 255 grey levels count little:
that is what slight compression and rounding do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels

Floats = NDArray[np.float32]

_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_TINGES = (0.1, 0.5, 0.9)
_RESIDUALS = (0.25, 0.5, 0.75, 0.95)
#: Sizes at which detail is measured: full, half, quarter.
_SCALES = 3
_FLOOR = 3 / 255
#: Side of a JPEG block.
_BLOCK = 8
#: Middle part of a picture that is looked at, in pixels.
_LARGEST = 256


def picture_style(pixels: Pixels) -> Floats:
    """Describe how one picture was taken.

    Parameters
    ----------
    pixels
        A whole picture (H, W, C) of 8 or 16 bits.

    Returns
    -------
    float32 (D,): quantiles, mean and spread of every channel; quantiles of the difference between successive
    channels (tinge); logarithm of the amount of fine, middle and coarse detail in brightness and in colour
    (noise, focus, compression); logarithm of how much steeper edges are on an 8-pixel grid (blocks).
    """
    middle: Floats = _middle(pixels).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    flat = middle.reshape(-1, middle.shape[2])
    grey = middle.mean(axis=2, keepdims=True)
    parts = [
        _quantiles(flat, _QUANTILES),
        flat.mean(axis=0),
        flat.std(axis=0),
        _quantiles(np.asarray(np.diff(flat, axis=1), dtype=np.float32), _TINGES),
        _detail(np.concatenate([grey, np.diff(middle, axis=2)], axis=2)),
        _blocks(grey[..., 0]),
    ]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def _quantiles(columns: Floats, shares: tuple[float, ...]) -> Floats:
    """Take the nearest ranks of every column; numpy's quantiles take five times as long."""
    ranks = np.rint(np.array(shares) * (len(columns) - 1)).astype(int)
    return np.asarray(np.sort(columns, axis=0)[ranks], dtype=np.float32)


def _middle(pixels: Pixels) -> Pixels:
    top, left = (max(0, side - _LARGEST) // 2 for side in pixels.shape[:2])
    return pixels[top : top + _LARGEST, left : left + _LARGEST]


def _detail(planes: Floats) -> Floats:
    """Give the logarithm of quantiles of the local detail of every plane (H, W, planes), scale by scale.

    Detail is how far a pixel is from the mean of its four neighbours (a Laplacian, as noise is estimated:
    Immerkaer 1996), at full size and after halving the picture once and twice.
    """
    found = []
    for _ in range(_SCALES):
        found.append(np.log(_quantiles(_laplacian(planes), _RESIDUALS) + np.float32(_FLOOR)))
        planes = _halved(planes)
    return np.concatenate(found)


def _laplacian(planes: Floats) -> Floats:
    if min(planes.shape[:2]) < 3:
        return np.zeros((1, planes.shape[2]), dtype=np.float32)
    around = planes[:-2, 1:-1] + planes[2:, 1:-1] + planes[1:-1, :-2] + planes[1:-1, 2:]
    return np.abs(planes[1:-1, 1:-1] - around / 4).reshape(-1, planes.shape[2])


def _halved(planes: Floats) -> Floats:
    height, width = (max(side // 2, 1) * 2 if side > 1 else 1 for side in planes.shape[:2])
    even = planes[:height, :width]
    step = tuple(2 if side > 1 else 1 for side in (height, width))
    parts = [even[top :: step[0], left :: step[1]] for top in range(step[0]) for left in range(step[1])]
    return np.asarray(sum(parts) / np.float32(len(parts)), dtype=np.float32)


def _blocks(plane: Floats) -> Floats:
    """Compare steps across the lines of the 8-pixel grid with all other steps, along both axes."""
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(plane, axis=axis)).mean(axis=1 - axis)
        on = np.arange(1, len(steps) + 1) % _BLOCK == 0
        both = on.any() and not on.all()
        found.append(np.log((steps[on].mean() + _FLOOR) / (steps[~on].mean() + _FLOOR)) if both else 0.0)
    return np.array(found, dtype=np.float32)
