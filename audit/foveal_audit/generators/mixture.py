"""The density that latents are drawn from, fitted to the encoded crops after training.

No crop need be encoded where a standard normal has its mass; an ex-post density goes where the crops are
(Ghosh et al. 2020, "From variational to deterministic autoencoders").
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from .crops import Latents

MOST_COMPONENTS = 40  # a library may hold many variants, and every text or shape is one of its own
CROPS_PER_COMPONENT = 15  # fewer, and a component may settle on a single crop
_FLOOR = (
    1e-3  # added to every variance (latents have unit scale), keeps a component from shrinking onto one crop
)


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians with diagonal covariances.

    Attributes
    ----------
    weights
        (k,), sums to 1.
    means
        (k, d).
    sds
        (k, d) standard deviations.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    sds: NDArray[np.float32]

    @classmethod
    def fit(cls, latents: Latents, seed: int) -> Mixture:
        """Fit to latents (n, d); one component per 15 of them, at most 40."""
        distinct = len(np.unique(latents, axis=0))
        components = max(1, min(MOST_COMPONENTS, distinct // CROPS_PER_COMPONENT))
        model = GaussianMixture(components, covariance_type="diag", reg_covar=_FLOOR, random_state=seed)
        with warnings.catch_warnings():  # an unconverged density is still a density; its card tells how good
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(latents.astype(np.float64))
        parts = (model.weights_, model.means_, np.sqrt(model.covariances_))
        return cls(*(np.asarray(part, np.float32) for part in parts))

    def draw(self, n: int, seed: int) -> Latents:
        """Draw n latents (n, d); the same seed gives the same ones."""
        rng = np.random.default_rng(seed)
        share = self.weights.astype(np.float64)
        which = rng.choice(len(share), size=n, p=share / share.sum())
        noise = rng.standard_normal((n, self.means.shape[1]))
        return (self.means[which] + noise * self.sds[which]).astype(np.float32)

    @property
    def mean(self) -> NDArray[np.float32]:
        """(d,) where the density has its middle."""
        return np.asarray(self.weights @ self.means, np.float32)

    def tilted(self, direction: NDArray[np.floating]) -> Mixture:
        """Multiply the density by exp(direction . z), direction (d,): a mixture again."""
        slope = direction.astype(np.float64)
        variances = self.sds.astype(np.float64) ** 2
        gain = self.means @ slope + 0.5 * variances @ slope**2
        weights = self.weights * np.exp(gain - gain.max())
        parts = (weights / weights.sum(), self.means + variances * slope, self.sds)
        return Mixture(*(np.asarray(part, np.float32) for part in parts))

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Name the parts for storage."""
        return {"mixture.weights": self.weights, "mixture.means": self.means, "mixture.sds": self.sds}

    @classmethod
    def restore(cls, tensors: dict[str, NDArray[np.float32]]) -> Mixture:
        """Undo :meth:`tensors`."""
        return cls(*(tensors[f"mixture.{part}"] for part in ("weights", "means", "sds")))
