"""How a crop looks, independent of any model: slopes, colour and texture on a common size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from foveal.samples.values import Values, axes_of
from foveal_audit.spans import FULL, Span
from foveal_audit.units.resizing import resized
from foveal_audit.units.slopes import SLOPES, WIDTHS

#: Side to which crops are brought before they are compared, by their number of axes: samples, pixels, voxels.
SIDES: Mapping[int, int] = {1: 64, 2: 32, 3: 16}
#: That of pictures.
SIDE = SIDES[2]
#: Blurs, in pixels of a common size, between which the strength of texture is measured.
_BANDS = (1.0, 2.0, 4.0)
#: Crops that are described at a time.
_AT_A_TIME = 64


@dataclass(frozen=True)
class _Search:
    """Side of the middle that is looked for in other crops, and where it may lie there along each axis."""

    template: int
    shifts: range


#: By the number of axes.
_SEARCHES: Mapping[int, _Search] = {
    1: _Search(40, range(0, 25, 2)),
    2: _Search(20, range(0, 13, 2)),
    3: _Search(10, range(0, 7, 3)),
}


def resize_crop(values: Values, side: int | None = None, span: Span = FULL) -> NDArray[np.float32]:
    """Bring a crop (*s, C) to float32 (C, side, ...) in 0 to 1.

    Parameters
    ----------
    values
        One to three axes and channels.
    side
        Of every axis; by default :data:`SIDES`.
    span
        Which values stand for 0 and 1.
    """
    axes = axes_of(values)
    planes = resized(span.shares(values), (side or SIDES[axes],) * axes)
    return np.asarray(np.clip(planes, 0, 1), dtype=np.float32)


def luminance(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels of crops (n, C, *s) into (n, *s)."""
    return np.asarray(crops.mean(axis=1), dtype=np.float32)


def planes_of(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give what is looked at one by one, (n, P, *s): the brightness, or every channel of a trace.

    Leads of a trace are other quantities and not shades of one: their mean may be nothing at all.
    """
    return crops if crops.ndim == 3 else luminance(crops)[:, None]


def gradients(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops (n, C, *s) of the common size by their slopes, see :mod:`foveal_audit.units.slopes`.

    Returns
    -------
    float32 (n, 128) of pictures, (n, 104) of volumes, (n, 32 C) of traces.
    """
    axes = crops.ndim - 2
    width = WIDTHS[axes] * (crops.shape[1] if axes == 1 else 1)
    described = np.empty((len(crops), width), dtype=np.float32)
    for start in range(0, len(crops), _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        described[part] = SLOPES[axes](crops[part])
    return described


def tones(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe crops by colour and texture, which slopes of grey crops cannot see.

    Parameters
    ----------
    crops
        float32 (n, C, *s) in 0 to 1.

    Returns
    -------
    float32 (n, 2 C + 3): mean and standard deviation of each channel (of RGB: lightness, red against green,
    blue against yellow), then the strength of texture in three bands, from fine to coarse. All in units of
    the full range, so that a difference of 0.1 is as plain in one as in another.
    """
    planes = _opponent(crops) if crops.ndim == 4 and crops.shape[1] == 3 else crops
    places = tuple(range(2, crops.ndim))
    means, spreads = planes.mean(axis=places), planes.std(axis=places)
    return np.asarray(np.concatenate([means, spreads, _texture(planes_of(crops))], axis=1), dtype=np.float32)


def _opponent(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    red, green, blue = crops[:, 0], crops[:, 1], crops[:, 2]
    planes = (red + green + blue) / 3, (red - green) / 2, (2 * blue - red - green) / 4
    return np.asarray(np.stack(planes, axis=1), dtype=np.float32)


def _texture(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    places = tuple(range(2, planes.ndim))
    blurred = [planes, *(gaussian_filter(planes, (0, 0, *(blur for _ in places))) for blur in _BANDS)]
    bands = [(fine - coarse).std(axis=places).mean(axis=1) for fine, coarse in pairwise(blurred)]
    return np.asarray(np.stack(bands, axis=1), dtype=np.float32)


def detail(crops: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove slow shading from crops (n, C, *s): what is left is drawn, not lit.

    Returns
    -------
    float32 (n, *s) of pictures and volumes, (n, s C) of traces: all channels of a moment, then the next.
    """
    planes = planes_of(crops)
    blur = planes.shape[2] / 8
    fine = planes - gaussian_filter(planes, (0, 0, *(blur for _ in planes.shape[2:])))
    shaped = np.moveaxis(fine, 1, 2).reshape(len(fine), -1) if crops.ndim == 3 else fine[:, 0]
    return np.asarray(shaped, dtype=np.float32)


def _normalised(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = patches.reshape(len(patches), int(np.prod(patches.shape[1:])))
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6), dtype=np.float32)


def shifted_correlation(detail: NDArray[np.float32]) -> NDArray[np.float32]:
    """Correlate every pair of crops at its best shift.

    Parameters
    ----------
    detail
        What :func:`detail` gives of n crops.

    Returns
    -------
    float32 (n, n): highest normalised cross-correlation of the middle of the row's crop (of a picture 20 x 20
    pixels) with any window of the column's crop up to 6 pixels away; -1 on the diagonal.
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
        float32 (n, D), the middle of each crop, normalised.
    shifts
        float32 (shifts, n, D), each crop's window at every shift, normalised.
    """

    middles: NDArray[np.float32]
    shifts: NDArray[np.float32]

    @classmethod
    def of(cls, detail: NDArray[np.float32]) -> Shifted:
        """Take what :func:`foveal_audit.units.appearance.detail` gives of n crops."""
        axes = detail.ndim - 1
        if axes == 1:  # the channels of a moment follow each other
            detail = detail.reshape(len(detail), SIDES[1], -1)
        search = _SEARCHES[axes]
        places = list(product(search.shifts, repeat=axes))
        shifts = [_normalised(detail[_window(place, search.template)]) for place in places]
        middle = ((SIDES[axes] - search.template) // 2,) * axes
        return cls(shifts[places.index(middle)], np.stack(shifts))

    def correlation(self, other: Shifted) -> NDArray[np.float32]:
        """Correlate the middle of every crop with every other crop at its best shift, float32 (n, others)."""
        best = self.middles @ other.shifts[0].T
        for shifted in other.shifts[1:]:
            np.maximum(best, self.middles @ shifted.T, out=best)
        return np.asarray(np.maximum(best, -1), dtype=np.float32)


def _window(place: tuple[int, ...], side: int) -> tuple[slice, ...]:
    return (slice(None), *(slice(start, start + side) for start in place))
