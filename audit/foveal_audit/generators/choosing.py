"""What is decided by trying it on crops that are neither learned from nor reported on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .appearance import PlainEyes
from .crops import Crops
from .generator import Generator
from .metrics import Standardiser, rows, two_sample_accuracy
from .texture import Texture

STRENGTHS = (0.0, 0.7, 1.0)  # of the grain that was measured
_Eyes = Callable[[Crops], NDArray[np.float64]]
_FEWEST = 8  # crops to choose on
_ROUNDS = 3
_LEAST_GAIN = 0.01  # of the accuracy: below it the simpler generator stays


def choose_grain(
    generator: Generator,
    train: Crops,
    unseen: Crops,
    embed: Callable[[Crops], NDArray[np.floating]],
    seed: int,
) -> tuple[Generator, float | None]:
    """Add grain where it makes draws harder to tell from unseen crops, in both pairs of eyes taken together.

    Parameters
    ----------
    generator
        Without a texture.
    train
        (n, C, *s); what their reconstructions leave out is the grain.
    unseen
        (m, C, *s) to choose on. Fewer than eight: nothing is chosen.
    embed
        The audited network's features.
    seed
        Seeds the draws.

    Returns
    -------
    The generator, and the strength chosen: 0 for no grain, None where nothing could be chosen.
    """
    if len(unseen) < _FEWEST:
        return generator, None
    grain = Texture.fit(train - generator.decode(generator.encode(train)))
    own = Standardiser(rows(embed(train)))
    eyes: tuple[_Eyes, ...] = (lambda crops: own(rows(embed(crops))), PlainEyes(train))
    pairs = [(look(unseen), look) for look in eyes]

    def told_apart(candidate: Generator) -> float:
        draws = [candidate.sample(len(unseen), seed + 1 + turn) for turn in range(_ROUNDS)]
        return float(
            np.mean([two_sample_accuracy(real, look(made)) for real, look in pairs for made in draws])
        )

    found = {
        strength: told_apart(replace(generator, texture=grain.scaled(strength) if strength else None))
        for strength in STRENGTHS
    }
    best = min(found, key=lambda strength: (found[strength], strength))
    chosen = best if found[best] <= found[0.0] - _LEAST_GAIN else 0.0
    return replace(generator, texture=grain.scaled(chosen) if chosen else None), chosen
