"""Whether a frame is one that the generator could have been asked for: measured on what it serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from foveal_audit.generators.crops import Crops, Latents
from foveal_audit.generators.generator import Generator
from foveal_audit.generators.metrics import nearest_crops
from foveal_audit.generators.mixture import Mixture

from .nodes import still

_DRAWN = 400
_RARE = 0.01  # share of served draws beyond a bound
_STRANGE = "Off the beaten track: 99% of what the generator was learned for lies elsewhere."
_FAR = "Farther from every real crop than 99% of the generator's usual pictures."


@dataclass(frozen=True)
class Plausible:
    """Bounds taken from served draws.

    Attributes
    ----------
    mixture
        The density of what is served.
    least
        Log density that 99 % of the draws reach.
    farthest
        Distance to the nearest real crop that 99 % of them stay below.
    """

    mixture: Mixture
    least: float
    farthest: float

    @classmethod
    def of(cls, generator: Generator, real: Crops, seed: int) -> Plausible:
        """Measure the bounds on draws and real crops (n, C, *s)."""
        drawn = generator.draw(_DRAWN, seed)
        _, distance = nearest_crops(still(generator, drawn, seed), real)
        densities = log_density(generator.mixture, drawn)
        least, farthest = np.quantile(densities, _RARE), np.quantile(distance, 1 - _RARE)
        return cls(generator.mixture, float(least), float(farthest))

    def warnings(self, z: NDArray[np.float32], distance: float) -> Iterator[str]:
        """Say what is unusual about a latent (d,) whose frame is so far from the nearest real crop."""
        if log_density(self.mixture, z[None])[0] < self.least:
            yield _STRANGE
        if distance > self.farthest:
            yield _FAR


def log_density(mixture: Mixture, latents: Latents) -> NDArray[np.float64]:
    """Give the logarithm of the density at latents (n, d), up to a constant."""
    sds = mixture.sds.astype(np.float64)
    apart = (latents[:, None].astype(np.float64) - mixture.means) / sds
    parts = np.log(np.maximum(mixture.weights, 1e-30)) - np.log(sds).sum(1) - 0.5 * (apart**2).sum(2)
    return np.asarray(logsumexp(parts, axis=1))
