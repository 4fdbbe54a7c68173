"""How a picture was taken: light, colour, noise, sharpness and compression of the whole of it.

Statistics of the file, not of what it shows. Differences below about three of 255 grey levels count little:
that is what slight compression and rounding do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foveal.samples.images import Pixels

Floats = NDArray[np.float32]

_SHORT = (np.uint8, np.uint16, np.int16)

_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_TINGES = (0.1, 0.5, 0.9)
_RESIDUALS = (0.25, 0.5, 0.75, 0.95)
#: Sizes at which detail is measured: full, half, quarter.
_SCALES = 3
_FLOOR = 3 / 255
#: Side of a JPEG block.
_BLOCK = 8
#: Middle part of a picture that is looked at, in pixels; values that are described at a time, at most.
_LARGEST, _VALUES = 256, 1 << 20


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
    return picture_styles([pixels])[0]


def picture_styles(pictures: Sequence[Pixels]) -> list[Floats]:
    """Describe pictures as :func:`picture_style` does, those of one shape together."""
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    middles = [_middle(pixels) for pixels in pictures]
    for place, middle in enumerate(middles):
        alike[middle.shape, middle.dtype].append(place)
    found: dict[int, Floats] = {}
    for places in alike.values():
        size = max(1, _VALUES // middles[places[0]].size)
        for start in range(0, len(places), size):
            own = places[start : start + size]
            together = _styles(np.stack([middles[place] for place in own]))
            found |= dict(zip(own, together, strict=True))
    return [found[place] for place in range(len(pictures))]


def _styles(pictures: NDArray[Any]) -> Floats:
    """Describe pictures (n, H, W, C) of one shape, (n, D)."""
    top = np.float32(np.iinfo(pictures.dtype).max)
    whole = np.ascontiguousarray(np.moveaxis(pictures, 3, 1))
    planes = whole.astype(np.float32) / top
    numbers, flat = (one.reshape(*one.shape[:2], -1) for one in (whole, planes))
    signed = np.int16 if pictures.dtype == np.uint8 else np.int32
    grey = planes.mean(axis=1, keepdims=True)
    parts = [
        _quantiles(numbers, _QUANTILES) / top,
        flat.mean(axis=2),
        flat.std(axis=2),
        _quantiles(np.diff(numbers.astype(signed), axis=1), _TINGES) / top,
        _detail(np.concatenate([grey, np.diff(planes, axis=1)], axis=1)),
        _blocks(grey[:, 0]),
    ]
    return np.concatenate([part.reshape(len(planes), -1) for part in parts], axis=1).astype(np.float32)


def _quantiles(planes: NDArray[Any], shares: tuple[float, ...]) -> Floats:
    """Take the nearest ranks of every plane (n, C, pixels), (n, ranks, C); numpy's take five times longer."""
    ranks = np.rint(np.array(shares) * (planes.shape[2] - 1)).astype(int)
    # By radix where numpy can, which takes a tenth of the time; other numbers it sorts faster otherwise.
    kind: Literal["stable", "quicksort"] = "stable" if planes.dtype in _SHORT else "quicksort"
    ordered = np.sort(planes, axis=2, kind=kind)
    return np.asarray(ordered[..., ranks].transpose(0, 2, 1), dtype=np.float32)


def _middle(pixels: Pixels) -> Pixels:
    top, left = (max(0, side - _LARGEST) // 2 for side in pixels.shape[:2])
    return pixels[top : top + _LARGEST, left : left + _LARGEST]


def _detail(planes: Floats) -> Floats:
    """Give the logarithm of quantiles of the local detail of every plane (n, planes, H, W), scale by scale.

    Detail is how far a pixel is from the mean of its four neighbours (a Laplacian, as noise is estimated:
    Immerkaer 1996), at full size and after halving the picture once and twice.
    """
    found = []
    for _ in range(_SCALES):
        found.append(np.log(_quantiles(_laplacian(planes), _RESIDUALS) + np.float32(_FLOOR)))
        planes = _halved(planes)
    return np.concatenate(found, axis=1)


def _laplacian(planes: Floats) -> Floats:
    if min(planes.shape[2:]) < 3:
        return np.zeros((*planes.shape[:2], 1), dtype=np.float32)
    around = planes[..., :-2, 1:-1] + planes[..., 2:, 1:-1] + planes[..., 1:-1, :-2] + planes[..., 1:-1, 2:]
    return np.abs(planes[..., 1:-1, 1:-1] - around / 4).reshape(*planes.shape[:2], -1)


def _halved(planes: Floats) -> Floats:
    height, width = (max(side // 2, 1) * 2 if side > 1 else 1 for side in planes.shape[2:])
    even = planes[..., :height, :width]
    step = tuple(2 if side > 1 else 1 for side in (height, width))
    parts = [even[..., top :: step[0], left :: step[1]] for top in range(step[0]) for left in range(step[1])]
    return np.asarray(sum(parts) / np.float32(len(parts)), dtype=np.float32)


def _blocks(planes: Floats) -> Floats:
    """Compare steps across the lines of the 8-pixel grid with all other steps, along both axes, (n, 2)."""
    found = []
    for axis in (1, 2):
        steps = np.abs(np.diff(planes, axis=axis)).mean(axis=3 - axis)
        on = np.arange(1, steps.shape[1] + 1) % _BLOCK == 0
        both = on.any() and not on.all()
        means = (steps[:, on].mean(axis=1) + _FLOOR, steps[:, ~on].mean(axis=1) + _FLOOR) if both else (1, 1)
        found.append(np.broadcast_to(np.log(means[0] / means[1]), len(planes)))
    return np.stack(found, axis=1).astype(np.float32)
