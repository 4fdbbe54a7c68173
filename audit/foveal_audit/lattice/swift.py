"""One frame at a time, while somebody drags: what a generator decodes, without its fixed cost per call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from foveal_audit.generators.crops import Crops
from foveal_audit.generators.generator import Generator


class SwiftDecoder:
    """Gives bit for bit what :func:`.nodes.still` gives, one latent at a time.

    ``Generator.decode`` looks up the libraries of the process at every call to hold them to one thread, which
    takes 15 ms, a third of a frame's time. Here they are looked up once, and the grain is made once.

    Parameters
    ----------
    generator
        Loaded, so that all its libraries are.
    seed
        Of the grain.
    """

    def __init__(self, generator: Generator, seed: int) -> None:
        self._generator = generator
        texture = generator.texture
        with _one_thread():
            self._grain = None if texture is None else texture.grain(texture.draw(1, seed))

    def __call__(self, z: NDArray[np.float32]) -> Crops:
        """Decode a latent (d,) to a crop (1, C, h, w)."""
        with _one_thread():
            crops = self._generator._decode(z[None])
            if self._grain is None:
                return crops
            return np.asarray((crops + self._grain).clip(0, 1), np.float32)


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with _libraries().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)
