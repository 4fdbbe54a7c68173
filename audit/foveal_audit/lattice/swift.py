"""One frame at a time, while somebody drags: the grain, which stands still, is made once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.generators.crops import Crops
from foveal_audit.generators.generator import Generator
from foveal_audit.reproducible import one_thread


class SwiftDecoder:
    """Gives bit for bit what :func:`.nodes.still` gives, one latent at a time, in half of its time.

    Parameters
    ----------
    generator
        As served.
    seed
        Of the grain.
    """

    def __init__(self, generator: Generator, seed: int) -> None:
        self._generator = generator
        texture = generator.texture
        with one_thread():
            self._grain = None if texture is None else texture.grain(texture.draw(1, seed))

    def __call__(self, z: NDArray[np.float32]) -> Crops:
        """Decode a latent (d,) to a crop (1, C, *s)."""
        crops = self._generator.decode(z[None])
        if self._grain is None:
            return crops
        return np.asarray((crops + self._grain).clip(0, 1), np.float32)
