"""The nodes of a lattice: where in latent space the pictures of an offline slider stand."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from foveal_audit.generators.crops import Crops, Latents
from foveal_audit.generators.generator import Generator
from foveal_audit.generators.memorisation import CopyGuard

DECIMALS = 5  #: of a latent wherever one is written
_DRAWN = 1000  # served draws that tell how far a slider goes
_CANDIDATES = 200  # of them, looked at for the one in the middle
_REACH = (0.025, 0.975)  # shares of the served draws between which a slider goes


@dataclass(frozen=True)
class Nodes:
    """A regular grid through the first axes of latent space; the other axes stand at a served draw.

    Attributes
    ----------
    origin
        (d,) the draw nearest to the middle of what is served: where the axes without a slider stay.
    low, high
        (d,) ends of a slider along each axis.
    axes, steps
        How many axes the grid has, the first ones, and nodes along each.
    """

    origin: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    axes: int
    steps: int

    def latents(self) -> Latents:
        """Give every node (steps ** axes, d); the last axis changes fastest."""
        nodes = np.repeat(self.origin[None], self.steps**self.axes, axis=0)
        nodes[:, : self.axes] = list(product(*self.stops))
        return nodes

    @property
    def stops(self) -> NDArray[np.float32]:
        """(axes, steps) where the nodes stand along each axis."""
        return _written(np.linspace(self.low[: self.axes], self.high[: self.axes], self.steps, axis=1))

    @classmethod
    def of(
        cls, generator: Generator, axes: int, steps: int, seed: int = 0, guard: CopyGuard | None = None
    ) -> Nodes:
        """Lay the grid where 95 % of the served draws lie along each axis."""
        served = generator.draw(_DRAWN, seed)
        low, high = _written(np.quantile(served, _REACH, axis=0))
        return cls(_written(middle_draw(generator, seed, guard)), low, high, axes, steps)


def _written(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Round to what is written out, so that a reader of the file asks for the very same frames."""
    return np.round(values.astype(np.float64), DECIMALS).astype(np.float32)


def middle_draw(generator: Generator, seed: int = 0, guard: CopyGuard | None = None) -> NDArray[np.float32]:
    """Give the served latent (d,) nearest to the middle; a copy's only where all are copies."""
    drawn = generator.draw(_CANDIDATES, seed)
    spread = np.maximum(drawn.std(0), 1e-6)
    apart = (((drawn - drawn.mean(0)) / spread) ** 2).sum(1)
    if guard is not None:
        apart = apart + 1e9 * guard.flags(still(generator, drawn, seed))
    return np.asarray(drawn[int(apart.argmin())], np.float32)


def still(generator: Generator, latents: Latents, seed: int = 0) -> Crops:
    """Decode latents (n, d) under one and the same grain: only what the sliders do may change a picture."""
    crops = generator.decode(latents)
    if generator.texture is None:
        return crops
    noise = generator.texture.draw(1, seed)
    pieces = [
        generator.grained(crops[i : i + 64], noise.repeat(len(crops[i : i + 64]), axis=0))
        for i in range(0, len(crops), 64)
    ]
    return np.concatenate(pieces)
