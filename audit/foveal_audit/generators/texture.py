"""Grain that a small decoder cannot draw: noise with the spectrum of what reconstructions leave out.

A decoder of a few dozen latents gives the foreseeable part of a crop. What is left over is mostly grain; it
has no shape to learn, but without it every picture is told from a real one at a glance. Sound synthesis does
the same (Serra & Smith 1990, "sines plus noise").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .crops import Crops
from .layers import CONVOLVE

if TYPE_CHECKING:
    from .onnx_graph import GraphWriter

Arrays = dict[str, NDArray[np.float32]]
_REACH = {1: 31, 2: 11, 3: 7}  # places along an axis over which grain hangs together, at most, by axes
_BLUR = 1.5  # pixels over which its local strength is averaged
_LEAST = 1e-6  # standard deviation below which there is no grain


@dataclass(frozen=True)
class Texture:
    """Stationary noise whose strength may differ from place to place.

    Attributes
    ----------
    kernel
        (C, C, k along each axis): filters white noise into grain of unit variance, channels mixed as they go
        together.
    spread
        (C, *s): its standard deviation at every place.
    """

    kernel: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(cls, residuals: NDArray[np.floating]) -> Texture:
        """Measure the grain of residuals (n, C, *s): real crops minus their reconstructions."""
        rest = np.asarray(residuals, np.float64) - residuals.mean(0, dtype=np.float64)
        axes = rest.ndim - 2
        spread = np.sqrt(gaussian_filter((rest**2).mean(0), (0, *[_BLUR] * axes)))
        even = rest / np.maximum(spread, _LEAST)
        kernels = np.stack([_impulse(even[:, channel]) for channel in range(even.shape[1])])
        mixing = _mixing(even)
        kernel = mixing.reshape(*mixing.shape, *[1] * axes) * kernels[:, None]
        return cls(kernel.astype(np.float32), spread.astype(np.float32))

    def scaled(self, strength: float) -> Texture:
        """Give the same grain, so many times as strong."""
        return replace(self, spread=self.spread * np.float32(strength))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """(C, *(s + k - 1)) of the white noise that one crop takes."""
        reach = self.kernel.shape[-1] - 1
        channels, *sides = self.spread.shape
        return channels, *(side + reach for side in sides)

    def draw(self, n: int, seed: int) -> NDArray[np.float32]:
        """Draw white noise (n, *noise_shape)."""
        return np.random.default_rng([seed, 1]).standard_normal((n, *self.noise_shape), np.float32)

    def grain(self, noise: NDArray[np.float32]) -> Crops:
        """Filter white noise (n, *noise_shape) into grain (n, C, *s)."""
        convolve = CONVOLVE[noise.ndim - 2]
        with torch.inference_mode():
            filtered = convolve(torch.from_numpy(noise), torch.from_numpy(self.kernel))
        return np.asarray(filtered.numpy() * self.spread, np.float32)

    def write_graph(self, graph: GraphWriter, crops: str, noise: str) -> str:
        """Write the nodes that add the grain to the crops."""
        filtered = graph.node("Conv", [noise, graph.constant(self.kernel)])
        grain = graph.node("Mul", [filtered, graph.constant(self.spread)])
        return graph.clip(graph.add(crops, grain))

    def tensors(self) -> Arrays:
        """Name the parts for storage."""
        return {"texture.kernel": self.kernel, "texture.spread": self.spread}

    @classmethod
    def restore(cls, tensors: Arrays) -> Texture | None:
        """Undo :meth:`tensors`; None where there are none."""
        if "texture.kernel" not in tensors:
            return None
        return cls(tensors["texture.kernel"], tensors["texture.spread"])


def _impulse(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the filter (k along each axis) of unit energy that gives white noise the planes' spectrum."""
    sides = planes.shape[1:]
    power = (np.abs(np.fft.fftn(planes, axes=tuple(range(1, planes.ndim)))) ** 2).mean(0)
    impulse = np.fft.fftshift(np.fft.ifftn(np.sqrt(power)).real)
    reach = min(_REACH[len(sides)], (min(sides) - 1) // 2 * 2 + 1)
    cut = impulse[tuple(slice(side // 2 - reach // 2, side // 2 - reach // 2 + reach) for side in sides)]
    energy = float(np.sqrt((cut**2).sum()))
    return np.asarray(cut / energy if energy > _LEAST else cut * 0)


def _mixing(even: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the lower triangle (C, C) that makes independent channels go together as these do."""
    channels = even.shape[1]
    rows = even.swapaxes(0, 1).reshape(channels, -1)
    together = rows @ rows.T / rows.shape[1]
    size = np.sqrt(np.maximum(together.diagonal(), _LEAST**2))
    correlation = together / np.outer(size, size)
    return np.asarray(np.linalg.cholesky(0.999 * correlation + 0.001 * np.eye(channels)))
