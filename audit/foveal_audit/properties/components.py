"""Components of a whole sample that can be carried over from one sample (donor) to another (host).

Each takes host and donor, float32 (*S, C) of one size in about 0 to 1, and gives the host with that
component of the donor's. Where things are in the host does not change, nor what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from scipy.ndimage import gaussian_filter

from foveal_audit.properties.tiles import Floats

Component = Callable[[Floats, Floats], Floats]

#: Standard deviation, in pixels, below which things count as detail.
_DETAIL = 2.0
#: Frequencies around one that its amplitude is averaged over; and how much an amplitude may be raised.
_SMOOTH, _LOUDEST = 1.0, 20.0
#: Depth of the rim; distance from the middle from which on corners belong to it, half a side being 1; and
#: over how much it fades.
_RIM, _ROUND, _FADE = 0.1, 1.1, 0.05
_FLOOR = np.float32(1e-3)
#: Standard deviation, as a share of a trace, above which things are slow.
_SLOW = 1 / 16


def _places(values: Floats) -> tuple[int, ...]:
    return tuple(range(values.ndim - 1))


def colour(host: Floats, donor: Floats) -> Floats:
    """Carry over mean and spread of every channel (Reinhard et al. 2001, in the camera's channels)."""
    places = _places(host)
    spread = donor.std(axis=places) / (host.std(axis=places) + _FLOOR)
    return np.asarray((host - host.mean(axis=places)) * spread + donor.mean(axis=places), dtype=np.float32)


def spectrum(host: Floats, donor: Floats) -> Floats:
    """Carry over the amplitude of every frequency, not the phases: noise, focus, bands, patterns, strokes.

    Amplitudes are averaged over neighbouring frequencies, so that what is carried over is a texture and not
    the donor's objects (after Yang and Soatto 2020, Fourier domain adaptation). The mean stays the host's.
    """
    places = _places(host)
    own = np.fft.fftn(host, axes=places)
    gain = np.sqrt(_power(np.fft.fftn(donor, axes=places)) / (_power(own) + 1e-9))
    gain = np.minimum(gain, _LOUDEST)
    gain[(0,) * len(places)] = 1
    return np.asarray(np.fft.ifftn(own * gain, axes=places).real, dtype=np.float32)


def _power(spectrum_: np.ndarray[tuple[int, ...], np.dtype[np.complex128]]) -> Floats:
    blurs = (*[_SMOOTH] * (spectrum_.ndim - 1), 0)
    return np.asarray(gaussian_filter(np.abs(spectrum_) ** 2, blurs, mode="wrap"))


def detail(host: Floats, donor: Floats) -> Floats:
    """Carry over everything fine, where it lies: blocks of JPEG, hairs, writing."""
    return np.asarray(host - _fine(host) + _fine(donor), dtype=np.float32)


def _fine(picture: Floats) -> Floats:
    blurs = (*[_DETAIL] * (picture.ndim - 1), 0)
    return np.asarray(picture - gaussian_filter(picture, blurs, mode="reflect"))


def drift(host: Floats, donor: Floats) -> Floats:
    """Carry over everything slow: a trace that wanders, baselines, breathing."""
    return np.asarray(host - _slow(host) + _slow(donor), dtype=np.float32)


def _slow(trace: Floats) -> Floats:
    return np.asarray(gaussian_filter(trace, (_SLOW * len(trace), 0), mode="reflect"))


def rim(host: Floats, donor: Floats) -> Floats:
    """Carry over the border and the corners as they are."""
    along = np.mgrid[tuple(slice(-1, 1, side * 1j) for side in host.shape[:-1])].astype(np.float32)
    sides = (reduce(np.maximum, np.abs(along)) - (1 - 2 * _RIM)) / (2 * _FADE)
    corners = (reduce(np.hypot, along) - _ROUND) / (2 * _FADE)
    weight = np.clip(np.maximum(sides, corners), 0, 1)[..., None]
    return np.asarray(host + weight * (donor - host), dtype=np.float32)


#: By the number of axes of the samples.
COMPONENTS: Mapping[int, Mapping[str, Component]] = {
    1: {"amplitude": colour, "spectrum": spectrum, "detail": detail, "drift": drift},
    2: {"colour": colour, "spectrum": spectrum, "detail": detail, "rim": rim},
    3: {"colour": colour, "spectrum": spectrum, "detail": detail, "rim": rim},
}


def fitted(donor: Floats, host: Floats) -> Floats:
    """Bring a donor to the host's size by mirroring and cutting: its pixels stay as sharp as they are."""
    missing = [(0, max(0, want - there)) for want, there in zip(host.shape, donor.shape, strict=True)]
    padded = np.pad(donor, missing, mode="symmetric") if any(end for _, end in missing) else donor
    return padded[tuple(slice(side) for side in host.shape[:-1])]
