"""Whether a facet's crops are one and the same thing, wherever it lies and whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from foveal_audit.judgement.signals.appearance import stamp_likeness
from foveal_audit.judgement.signals.nulls import Signal, exceedance
from foveal_audit.judgement.signals.question import Question
from foveal_audit.units.appearance import SIDE, detail
from foveal_audit.windows import Windows

#: Pixels by which crops are shifted onto each other, every second one; and their middle that is compared.
_REACH, _MIDDLE = 8, SIDE - 16
#: Sets of other crops behind the null, and numbers of crops that are compared: few, so that nulls are shared.
_DRAWS = 12
_SIZES = (32, 24, 16, 12)
_SHIFTS = [(dy, dx) for dy in range(2 * _REACH + 1) for dx in range(2 * _REACH + 1)]


def aligned(images: NDArray[np.float32], rounds: int = 2) -> NDArray[np.float32]:
    """Shift crops (n, C, 32, 32) onto their common pattern: their middles, (n, C, 16, 16).

    The pattern begins as the crop that most resembles the others and is then the mean of what was found.
    """
    fine = detail(images)
    views = np.lib.stride_tricks.sliding_window_view(fine, (_MIDDLE, _MIDDLE), axis=(1, 2))
    flat = views.reshape(len(images), len(_SHIFTS), -1)
    flat = flat - flat.mean(axis=2, keepdims=True)
    norm = np.linalg.norm(flat, axis=2) + 1e-3
    centre = flat[:, len(_SHIFTS) // 2]
    alike = (centre @ centre.T) / np.outer(norm[:, len(_SHIFTS) // 2], norm[:, len(_SHIFTS) // 2])
    pattern = centre[int(np.median(alike, axis=1).argmax())]
    best = np.zeros(len(images), dtype=np.int64)
    for _ in range(rounds):
        best = ((flat @ pattern) / norm).argmax(axis=1)
        pattern = flat[np.arange(len(images)), best].mean(axis=0)
    places = np.lib.stride_tricks.sliding_window_view(images, (_MIDDLE, _MIDDLE), axis=(2, 3))
    wide = 2 * _REACH + 1
    return np.stack([places[row, :, one // wide, one % wide] for row, one in enumerate(best)])


def unsteadiness(middles: NDArray[np.float32]) -> float:
    """Say how much the steadiest quarter of aligned crops' pixels (n, C, h, w) changes from crop to crop.

    Returns
    -------
    Its spread across crops / the spread of all pixels: 0 = an opaque stamp, 1 = whatever lies behind.
    """
    across = np.sort(middles.std(axis=0).mean(axis=0).ravel())
    overall = float(middles.std(axis=(0, 2, 3)).mean())
    return float(across[: across.size // 4].mean()) / max(overall, 1e-4)


def nearest_hash(middles: NDArray[np.float32]) -> float:
    """Give the mean number of bits, of 63, by which aligned crops differ from the most similar other one.

    The bits are the signs of the slow waves (perceptual hash, Zauner 2010): light and colour do not count.
    """
    waves = dctn(middles.mean(axis=1), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(middles), -1)[:, 1:]
    bits = (waves > np.median(waves, axis=1, keepdims=True)).astype(np.float32)
    apart = bits @ (1 - bits).T
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
