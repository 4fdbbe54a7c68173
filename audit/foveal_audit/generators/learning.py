"""From the crops of one feature to a generator with its card: split, register, fit, measure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .card import Activation, Embed, QualityCard, quality_card
from .crops import Crops, as_crops, flat
from .errors import FEWEST_CROPS, TooFewCrops
from .generator import Generator
from .registration import Shifts, align_to, register_crops
from .registry import DEFAULT_KIND, fit_generator
from .settings import Perceptual

_HELD_OUT = 0.25


@dataclass(frozen=True)
class Learned:
    """A generator and what it was learned from.

    Attributes
    ----------
    generator, card
        The generator and its quality card.
    crops
        (n, C, h, w) all crops in the order given, aligned.
    originals
        The same crops as they were cut, to show to people: aligned ones are mirrored in at the border.
    shifts
        (n, 2) how far each was moved; see :func:`.registration.register_crops`.
    template
        (C, h, w) mean of the aligned training crops.
    heldout
        (n,) True for the crops kept out of learning, template included.
    """

    generator: Generator
    card: QualityCard
    crops: Crops
    originals: Crops
    shifts: Shifts
    template: NDArray[np.float32]
    heldout: NDArray[np.bool_]


def learn_generator(
    crops: NDArray[np.floating],
    *,
    groups: Sequence[Hashable] | None = None,
    kind: str = DEFAULT_KIND,
    seed: int = 0,
    steps: int | None = None,
    max_shift: int | None = None,
    perceptual: Perceptual | None = None,
    embed: Embed = flat,
    activation: Activation | None = None,
) -> Learned:
    """Learn a feature's appearance and measure it on crops that nothing was learned from.

    Parameters
    ----------
    crops
        (n, C, h, w) in [0, 1], as cut.
    groups
        What each crop belongs to (its sample, its patient): a group is held out as a whole, so that windows
        of one sample do not stand on both sides. Default every crop by itself.
    kind, seed, steps, perceptual
        As in :func:`.registry.fit_generator`.
    max_shift
        As in :func:`.registration.register_crops`.
    embed, activation
        As in :func:`.card.quality_card`.

    Raises
    ------
    TooFewCrops
        Fewer than 12 crops. With 12 to 15 nothing or next to nothing is held out, and the card says so.
    """
    stack = as_crops(crops)
    if len(stack) < FEWEST_CROPS:
        raise TooFewCrops(len(stack))
    heldout = hold_out(list(range(len(stack))) if groups is None else groups, seed)
    aligned, shifts = np.empty_like(stack), np.zeros((len(stack), 2), np.int64)
    aligned[~heldout], shifts[~heldout], template = register_crops(stack[~heldout], max_shift)
    aligned[heldout], shifts[heldout] = align_to(stack[heldout], template, max_shift)
    generator = fit_generator(aligned[~heldout], kind=kind, seed=seed, steps=steps, perceptual=perceptual)
    card = quality_card(generator, aligned[~heldout], aligned[heldout], embed, activation, seed)
    return Learned(generator, card, aligned, stack, shifts, template, heldout)


def hold_out(groups: Sequence[Hashable], seed: int) -> NDArray[np.bool_]:
    """Mark about a quarter of the crops, by whole groups; at least 12 crops always stay.

    Parameters
    ----------
    groups
        One per crop.

    Returns
    -------
    ndarray of bool
        (n,) True = held out.
    """
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    members = np.array([names[name] for name in groups], np.int64)
    wanted = min(int(_HELD_OUT * len(members)), len(members) - FEWEST_CROPS)
    marked = np.zeros(len(members), bool)
    for group in np.random.default_rng(seed).permutation(len(names)):
        own = members == group
        if int(marked.sum() + own.sum()) <= wanted:
            marked |= own
    return marked
