"""What every generator of a feature's appearance can do, whichever way it was learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from foveal_audit.reproducible import one_thread
from foveal_audit.spans import FULL, Span

from .crops import Crops, Latents, Shape, as_crops
from .mixture import Mixture
from .texture import Texture

if TYPE_CHECKING:
    from .onnx_graph import GraphWriter

Arrays = dict[str, NDArray[np.float32]]
_BATCH = 256  # decoded at once, bounds the memory


@dataclass(frozen=True)
class Origin:
    """How a generator came about: part of its card, never of what it computes.

    Attributes
    ----------
    asked
        The kind that was asked for; differs from the generator's own where there were too few crops for it.
    n_crops
        Number of crops learned from.
    seed, steps
        The seed and the number of optimiser steps (0 for a closed form).
    """

    asked: str
    n_crops: int
    seed: int
    steps: int = 0


@dataclass
class Generator(ABC):
    """Decodes latents into crops of one feature, encodes crops, draws new ones.

    Latents have unit scale; their axes are ordered by how much they change the picture, so the first few
    make the sliders.

    Attributes
    ----------
    shape
        (C, *s) of a crop.
    axis_sd
        (d,) standard deviation of the encoded training crops along each axis: a slider's natural step.
    mixture
        The density that :meth:`draw` draws from.
    origin
        How it was learned.
    texture
        Grain that :meth:`sample` adds to what is decoded, or None.
    span
        Which values of the samples stand for 0 and 1 in crops.
    """

    kind: ClassVar[str]

    shape: Shape
    axis_sd: NDArray[np.float32]
    mixture: Mixture
    origin: Origin = field(kw_only=True)
    texture: Texture | None = field(default=None, kw_only=True)
    span: Span = field(default=FULL, kw_only=True)

    @property
    def latent_dim(self) -> int:
        """Number of latent axes."""
        return len(self.axis_sd)

    def decode(self, z: Latents) -> Crops:
        """Turn latents (n, d) into crops (n, C, *s) in [0, 1]."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"latents must be (n, {self.latent_dim}), got {z.shape}")
        latents = np.asarray(z, np.float32)
        with one_thread():
            parts = [self._decode(latents[i : i + _BATCH]) for i in range(0, len(latents), _BATCH)]
        return np.concatenate([np.zeros((0, *self.shape), np.float32), *parts])

    def encode(self, crops: Crops) -> Latents:
        """Turn crops (n, C, *s) in [0, 1] into their latents (n, d)."""
        stack = as_crops(crops)
        if stack.shape[1:] != self.shape:
            raise ValueError(f"crops must be (n, {', '.join(map(str, self.shape))}), got {stack.shape}")
        with one_thread():
            parts = [self._encode(stack[i : i + _BATCH]) for i in range(0, len(stack), _BATCH)]
        return np.concatenate([np.zeros((0, self.latent_dim), np.float32), *parts])

    def draw(self, n: int, seed: int) -> Latents:
        """Draw n latents (n, d) from the fitted density."""
        return self.mixture.draw(n, seed)

    def sample(self, n: int, seed: int) -> Crops:
        """Draw n new crops (n, C, *s) with their grain; the same seed gives the same ones."""
        return self.with_grain(self.decode(self.draw(n, seed)), seed)

    def with_grain(self, crops: Crops, seed: int) -> Crops:
        """Add the texture to decoded crops (n, C, *s); without one they stay as they are."""
        return crops if self.texture is None else self.grained(crops, self.texture.draw(len(crops), seed))

    def grained(self, crops: Crops, noise: NDArray[np.float32]) -> Crops:
        """Add the grain that white noise (n, *texture.noise_shape) gives."""
        if self.texture is None:
            raise ValueError("the generator has no texture")
        with one_thread():
            return np.asarray((crops + self.texture.grain(noise)).clip(0, 1), np.float32)

    @abstractmethod
    def _decode(self, z: Latents) -> Crops: ...

    @abstractmethod
    def _encode(self, crops: Crops) -> Latents: ...

    @abstractmethod
    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the decoder's nodes from the value named z and return the name of the crops."""

    @abstractmethod
    def tensors(self) -> Arrays:
        """Name every array needed to :meth:`restore` the networks (mixture and axes are stored beside)."""

    @classmethod
    @abstractmethod
    def restore(
        cls, tensors: Arrays, shape: Shape, axis_sd: NDArray[np.float32], mixture: Mixture, origin: Origin
    ) -> Generator:
        """Undo :meth:`tensors`."""
