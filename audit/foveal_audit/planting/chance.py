"""Chance that is split by name: every part of an image has its own, so that parts can be changed alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Chance:
    """The chance of one image.

    Attributes
    ----------
    seed
        Of the case.
    source
        What the image is for: ``training``, ``production``, ``oracle``.
    index
        Its number.
    """

    seed: int
    source: str
    index: int

    def of(self, name: str) -> np.random.Generator:
        """Give the generator of one part: the same for the same image, whatever else is drawn."""
        return np.random.default_rng([self.seed, _number(self.source), self.index, _number(name)])


def _number(name: str) -> int:
    return zlib.crc32(name.encode())
