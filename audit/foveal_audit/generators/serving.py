"""Draws that may be shown: what looks like a training crop is left out."""

from __future__ import annotations

import numpy as np

from .crops import Crops
from .generator import Generator
from .memorisation import CopyGuard

_ROUNDS = 10


def fresh_crops(generator: Generator, n: int, seed: int, guard: CopyGuard) -> Crops:
    """Draw up to n crops (m, C, *s) of which none is a copy of a real crop.

    Fewer than n come back, down to none, where a generator hands out little but copies.
    """
    kept = np.zeros((0, *generator.shape), np.float32)
    for turn in range(_ROUNDS):
        made = generator.sample(n, seed if turn == 0 else seed + 100003 * turn)
        kept = np.concatenate([kept, made[~guard.flags(made)]])
        if len(kept) >= n:
            break
    return kept[:n]
