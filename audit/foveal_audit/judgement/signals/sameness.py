"""Whether a facet's crops are one and the same thing, wherever it lies and whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from foveal_audit.judgement.signals.appearance import stamp_likeness
from foveal_audit.judgement.signals.nulls import Signal, exceedance
from foveal_audit.judgement.signals.question import Question
from foveal_audit.units.appearance import SIDES, detail, planes_of
from foveal_audit.windows import Windows

#: Steps by which crops are shifted onto each other, by the number of axes: a quarter of their side, of traces
#: an eighth, as the middle half of a pulse has no edges; and slow waves along each axis whose signs are a
#: crop's hash.
_REACHES: Mapping[int, int] = {1: 8, 2: 8, 3: 4}
_WAVES: Mapping[int, int] = {1: 16, 2: 8, 3: 4}
#: Waves below this part of a crop's strongest have no sign: a trace may be nothing but a pulse, the middle of
#: a volume's crop one face of a cube, and all waves but a few noise. What a wave that only one of two crops
#: has counts, in bits.
_UNTOLD: Mapping[int, float] = {1: 0.1, 2: 0.0, 3: 0.1}
_ONE_SIDED: Mapping[int, float] = {1: 0.0, 2: 0.0, 3: 0.5}
#: Sets of other crops behind the null, and numbers of crops that are compared: few, so that nulls are shared.
_DRAWS = 12
_SIZES = (32, 24, 16, 12)


def aligned(images: NDArray[np.float32], rounds: int = 2) -> NDArray[np.float32]:
    """Shift crops (n, C, *s) onto their common pattern: their middles, half as long along each axis.

    The pattern begins as the crop that most resembles the others and is then the mean of what was found.
    """
    axes = images.ndim - 2
    fine = detail(images)
    if axes == 1:  # the channels of a moment follow each other
        fine = fine.reshape(len(fine), SIDES[1], -1)
    places, shifts, middle = tuple(range(1, axes + 1)), (2 * _REACHES[axes] + 1,) * axes, _middle(axes)
    views = np.lib.stride_tricks.sliding_window_view(fine, middle, axis=places)
    if axes == 1:
        views = np.moveaxis(views, 2, 3)
    flat = views.reshape(len(images), prod(shifts), -1)
    flat = flat - flat.mean(axis=2, keepdims=True)
    norm = np.linalg.norm(flat, axis=2) + 1e-3
    unmoved = prod(shifts) // 2
    centre = flat[:, unmoved]
    alike = (centre @ centre.T) / np.outer(norm[:, unmoved], norm[:, unmoved])
    pattern = centre[int(np.median(alike, axis=1).argmax())]
    best = np.zeros(len(images), dtype=np.int64)
    for _ in range(rounds):
        best = ((flat @ pattern) / norm).argmax(axis=1)
        pattern = flat[np.arange(len(images)), best].mean(axis=0)
    placed = np.lib.stride_tricks.sliding_window_view(images, middle, axis=tuple(range(2, axes + 2)))
    found = np.unravel_index(best, shifts)
    return np.ascontiguousarray(np.moveaxis(placed, 1, axes + 1)[(np.arange(len(images)), *found)])


def _middle(axes: int) -> tuple[int, ...]:
    return (SIDES[axes] - 2 * _REACHES[axes],) * axes


def unsteadiness(middles: NDArray[np.float32]) -> float:
    """Say how much the steadiest quarter of aligned crops' pixels (n, C, *s) changes from crop to crop.

    Returns
    -------
    Its spread across crops / the spread of all pixels: 0 = an opaque stamp, 1 = whatever lies behind.
    """
    across = np.sort(middles.std(axis=0).mean(axis=0).ravel())
    overall = float(middles.std(axis=(0, *range(2, middles.ndim))).mean())
    return float(across[: across.size // 4].mean()) / max(overall, 1e-4)


def nearest_hash(middles: NDArray[np.float32]) -> float:
    """Give the mean number of bits by which aligned crops differ from the most similar other one.

    The bits, 63 of a picture, are the signs of the slow waves (perceptual hash, Zauner 2010): light and
    colour do not count.
    """
    planes = planes_of(middles)
    places = tuple(range(2, planes.ndim))
    slow = (slice(None), slice(None), *(slice(_WAVES[len(places)]) for _ in places))
    waves = dctn(planes, axes=places, norm="ortho")[slow].reshape(len(planes), planes.shape[1], -1)[:, :, 1:]
    waves = waves.reshape(len(planes), -1)
    off = waves - np.median(waves, axis=1, keepdims=True)
    told = np.abs(off) >= _UNTOLD[len(places)] * np.abs(off).max(axis=1, keepdims=True)
    high, low = ((told & side).astype(np.float32) for side in (off > 0, off <= 0))
    lone = (high + low) @ (1 - high - low).T
    apart = high @ low.T + _ONE_SIDED[len(places)] * lone
    apart = apart + apart.T
    np.fill_diagonal(apart, np.inf)
    return float(apart.min(axis=1).mean())


_MEASURES: Mapping[str, Callable[[NDArray[np.float32]], float]] = {
    "constancy": unsteadiness,
    "near_duplicates": nearest_hash,
}


def sameness(asked: Question) -> dict[str, Signal]:
    """Measure how far the crops are one thing, beside equally many crops that speak for other classes.

    Returns
    -------
    ``stamp_likeness``, see :func:`stamp_likeness`, and of steadiness and hashes usual / (usual + own): 0 to
    1, .5 = as other crops, 1 = a stamp. The p-value says how often equally many others are as much alike.
    """
    chance = asked.chance("stamp_likeness")
    found = {"stamp_likeness": stamp_likeness(asked.windows.detail, asked.around.pool_match, chance)}
    windows, others = asked.closely, asked.pool
    size = next((size for size in _SIZES if size <= len(windows)), 0)
    if not size or len(others) < 2 * _SIZES[0]:
        return found
    chosen = asked.chance("sameness").choice(len(windows), size, replace=False)
    own = _measured(windows.take(np.sort(chosen)).images)
    null = asked.around.once(f"sameness of {size} beside {asked.outcome}", lambda: _null(others, size))
    return found | {name: _beside(own[name], null[name]) for name in _MEASURES}


def _measured(images: NDArray[np.float32]) -> dict[str, float]:
    middles = aligned(images)
    return {name: measure(middles) for name, measure in _MEASURES.items()}


def _beside(value: float, null: NDArray[np.float64]) -> Signal:
    usual = float(null.mean())
    return Signal(usual / max(usual + value, 1e-9), exceedance(-value, -null))


def _null(others: Windows, size: int) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(size)
    rows = [np.sort(rng.choice(len(others), size, replace=False)) for _ in range(_DRAWS)]
    drawn = [_measured(others.images[own]) for own in rows]
    return {name: np.array([one[name] for one in drawn]) for name in _MEASURES}
