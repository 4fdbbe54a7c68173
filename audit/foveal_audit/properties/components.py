"""Components of a whole picture that can be carried over from one picture (donor) to another (host).

Each takes host and donor, float32 (H, W, C) of one size in about 0 to 1, and gives the host with that
component of the donor's. Where things are in the host does not change, nor what they are.
"""

from __future__ import annotations

from collections.abc import Callable

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


def colour(host: Floats, donor: Floats) -> Floats:
    """Carry over mean and spread of every channel (Reinhard et al. 2001, in the camera's channels)."""
    spread = donor.std(axis=(0, 1)) / (host.std(axis=(0, 1)) + _FLOOR)
    return np.asarray((host - host.mean(axis=(0, 1))) * spread + donor.mean(axis=(0, 1)), dtype=np.float32)


def spectrum(host: Floats, donor: Floats) -> Floats:
    """Carry over the amplitude of every frequency, not the phases: noise, focus, bands, patterns, strokes.

    Amplitudes are averaged over neighbouring frequencies, so that what is carried over is a texture and not
    the donor's objects (after Yang and Soatto 2020, Fourier domain adaptation). The mean stays the host's.
    """
    own = np.fft.fft2(host, axes=(0, 1))
    gain = np.sqrt(_power(np.fft.fft2(donor, axes=(0, 1))) / (_power(own) + 1e-9))
    gain = np.minimum(gain, _LOUDEST)
    gain[0, 0] = 1
    return np.asarray(np.fft.ifft2(own * gain, axes=(0, 1)).real, dtype=np.float32)


def _power(spectrum_: np.ndarray[tuple[int, ...], np.dtype[np.complex128]]) -> Floats:
    return np.asarray(gaussian_filter(np.abs(spectrum_) ** 2, (_SMOOTH, _SMOOTH, 0), mode="wrap"))


def detail(host: Floats, donor: Floats) -> Floats:
    """Carry over everything fine, where it lies: blocks of JPEG, hairs, writing."""
    return np.asarray(host - _fine(host) + _fine(donor), dtype=np.float32)


def _fine(picture: Floats) -> Floats:
    return np.asarray(picture - gaussian_filter(picture, (_DETAIL, _DETAIL, 0), mode="reflect"))


def rim(host: Floats, donor: Floats) -> Floats:
    """Carry over the border and the corners as they are."""
    height, width = host.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    sides = (np.maximum(np.abs(y), np.abs(x)) - (1 - 2 * _RIM)) / (2 * _FADE)
    corners = (np.hypot(y, x) - _ROUND) / (2 * _FADE)
    weight = np.clip(np.maximum(sides, corners), 0, 1)[..., None]
    return np.asarray(host + weight * (donor - host), dtype=np.float32)


COMPONENTS: dict[str, Component] = {"colour": colour, "spectrum": spectrum, "detail": detail, "rim": rim}


def fitted(donor: Floats, host: Floats) -> Floats:
    """Bring a donor to the host's size by mirroring and cutting: its pixels stay as sharp as they are."""
    missing = [(0, max(0, want - there)) for want, there in zip(host.shape, donor.shape, strict=True)]
    padded = np.pad(donor, missing, mode="symmetric") if any(end for _, end in missing) else donor
    return padded[: host.shape[0], : host.shape[1]]
