"""How a crop looks, independent of any model: oriented gradients, colour and texture on a common size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from foveal.samples.images import Pixels

#: Side to which crops are brought before they are compared, in pixels.
SIDE = 32
_SHIFTS = range(0, 13, 2)
_TEMPLATE = 20
#: Blurs, in pixels of a common size, between which the strength of texture is measured.
_BANDS = (1.0, 2.0, 4.0)

#: Orientations, side of a cell in pixels and number of cells, of histograms of oriented gradients; what keeps
#: their lengths off 0, and the share of a cell's length above which no orientation counts for more.
_TURNS, _CELL, _CELLS = 8, 8, (SIDE // 8) ** 2
_TINY, _MOST = 1e-5, 0.2
#: Crops that are described at a time.
_AT_A_TIME = 64


def resize_crop(pixels: Pixels, side: int = SIDE) -> NDArray[np.float32]:
    """Bring a crop (H, W, C) of 8 or 16 bits to float32 (C, side, side) in 0 to 1."""
    scaled = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    planes = [
        np.asarray(Image.fromarray(scaled[..., channel]).resize((side, side), Image.Resampling.BILINEAR))
        for channel in range(scaled.shape[2])
    ]
    return np.asarray(np.clip(np.stack(planes), 0, 1), dtype=np.float32)


def luminance(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels of crops (n, C, h, w) into (n, h, w)."""
    return np.asarray(crops.mean(axis=1), dtype=np.float32)


def gradients(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops (n, C, 32, 32) by square-rooted oriented gradients, (n, 128).

    Histograms of oriented gradients (Dalal and Triggs 2005) of 8 orientations in cells of 8 x 8 pixels, each
    cell normalised by itself (L2-Hys): what ``skimage.feature.hog`` gives, of many crops at once.
    """
    described = np.empty((len(crops), _CELLS * _TURNS), dtype=np.float32)
    for start in range(0, len(crops), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        described[part] = _turned(luminance(crops[part]))
    return described


def _turned(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """Describe grey crops (n, 32, 32), (n, 128)."""
    number = len(grey)
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(right, down, dtype=np.float64)
    turn = np.rad2deg(np.arctan2(down, right, dtype=np.float64)) % 180
    bins = np.minimum((turn / (180 / _TURNS)).astype(np.int64), _TURNS - 1)
    places = np.arange(SIDE) // _CELL
    cells = places[:, None] * (SIDE // _CELL) + places + _CELLS * np.arange(number)[:, None, None]
    counted = np.bincount((cells * _TURNS + bins).ravel(), strength.ravel(), number * _CELLS * _TURNS)
    histograms = counted.reshape(number, _CELLS, _TURNS) / _CELL**2
    return np.asarray(np.sqrt(_clipped(histograms).reshape(number, _CELLS * _TURNS)))


def _clipped(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale histograms to unit length, cut what stands out, and scale them again."""
    for most in (_MOST, np.inf):
        length = np.sqrt((histograms**2).sum(axis=-1, keepdims=True) + _TINY**2)
        histograms = np.minimum(histograms / length, most)
    return histograms


def tones(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops by colour and texture, which oriented gradients of grey crops cannot see.

    Parameters
    ----------
    crops
        float32 (n, C, h, w) in 0 to 1.

    Returns
    -------
    float32 (n, 2 C + 3): mean and standard deviation of each channel (of RGB: lightness, red against green,
    blue against yellow), then the strength of texture in three bands, from fine to coarse. All in units of
    the full range, so that a difference of 0.1 is as plain in one as in another.
    """
    planes = _opponent(crops) if crops.shape[1] == 3 else crops
    means, spreads = planes.mean(axis=(2, 3)), planes.std(axis=(2, 3))
    return np.asarray(np.concatenate([means, spreads, _texture(luminance(crops))], axis=1), dtype=np.float32)


def _opponent(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    red, green, blue = crops[:, 0], crops[:, 1], crops[:, 2]
    planes = (red + green + blue) / 3, (red - green) / 2, (2 * blue - red - green) / 4
    return np.asarray(np.stack(planes, axis=1), dtype=np.float32)


def _texture(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    blurred = [grey, *(gaussian_filter(grey, (0, blur, blur)) for blur in _BANDS)]
    bands = [(fine - coarse).std(axis=(1, 2)) for fine, coarse in pairwise(blurred)]
    return np.asarray(np.stack(bands, axis=1), dtype=np.float32)


def detail(crops: NDArray[np.float32], blur: float = 4.0) -> NDArray[np.float32]:
    """Remove slow shading from crops (n, C, h, w): what is left is (n, h, w) and drawn, not lit."""
    grey = luminance(crops)
    return np.asarray(grey - gaussian_filter(grey, (0, blur, blur)), dtype=np.float32)


def _normalised(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = patches.reshape(len(patches), patches.shape[1] * patches.shape[2])
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def shifted_correlation(detail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlate every pair of crops at its best shift.

    Parameters
    ----------
    detail
        float32 (n, 32, 32) without slow shading.

    Returns
    -------
    float32 (n, n): highest normalised cross-correlation of the middle 20 x 20 of the row's crop with any
    window of the column's crop up to 6 pixels away; -1 on the diagonal.
    """
    crops = Shifted.of(detail)
    best = crops.correlation(crops)
    np.fill_diagonal(best, -1)
    return best


@dataclass(frozen=True)
class Shifted:
    """Crops at every shift, to be correlated with others as often as wanted.

    Attributes
    ----------
    middles
        float32 (n, 400), the middle of each crop, normalised.
    shifts
        float32 (shifts, n, 400), each crop's window at every shift, normalised.
    """

    middles: NDArray[np.float32]
    shifts: NDArray[np.float32]

    @classmethod
    def of(cls, detail: NDArray[np.float32]) -> Shifted:
        """Take crops (n, 32, 32) without slow shading."""
        places = [(dy, dx) for dy in _SHIFTS for dx in _SHIFTS]
        shifts = [_normalised(detail[:, dy : dy + _TEMPLATE, dx : dx + _TEMPLATE]) for dy, dx in places]
        return cls(shifts[places.index((6, 6))], np.stack(shifts))

    def correlation(self, other: Shifted) -> NDArray[np.float32]:
        """Correlate the middle of every crop with every other crop at its best shift, float32 (n, others)."""
        best = self.middles @ other.shifts[0].T
        for shifted in other.shifts[1:]:
            np.maximum(best, self.middles @ shifted.T, out=best)
        return np.asarray(np.maximum(best, -1), dtype=np.float32)
