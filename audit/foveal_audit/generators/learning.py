"""From the crops of one feature to a generator with its card: split, register, fit, guide, measure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foveal_audit.spans import FULL, Span

from .card import Background, Embed, QualityCard, quality_card
from .choosing import choose_grain
from .crops import Crops, as_crops, flat
from .errors import FEWEST_CROPS, TooFewCrops
from .generator import Generator
from .guidance import Activation, guided
from .memorisation import CopyGuard
from .registration import Shifts, align_to, register_crops
from .registry import DEFAULT_KIND, fit_generator
from .settings import Perceptual

_HELD_OUT = 0.25
_CHOOSING = 0.4  # of what is held out: what is decided on it is not reported on it


@dataclass(frozen=True)
class Learned:
    """A generator and what it was learned from.

    Attributes
    ----------
    generator, card
        The generator and its quality card.
    crops
        (n, C, *s) all crops in the order given, aligned.
    originals
        The same crops as they were cut, to show to people: aligned ones are mirrored in at the border.
    shifts
        (n, axes) how far each was moved; see :func:`.registration.register_crops`.
    template
        (C, *s) mean of the aligned training crops.
    heldout
        (n,) True for the crops that the card was measured on and nothing else was.
    choosing
        (n,) True for the crops that choices were made on: neither learned from nor reported on.
    groups
        What each crop belongs to, where that was told.
    """

    generator: Generator
    card: QualityCard
    crops: Crops
    originals: Crops
    shifts: Shifts
    template: NDArray[np.float32]
    heldout: NDArray[np.bool_]
    choosing: NDArray[np.bool_]
    groups: Sequence[Hashable] | None = None

    @property
    def guard(self) -> CopyGuard:
        """What tells copies of these crops."""
        return CopyGuard.of(self.crops, self.groups)


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
    metadata: Mapping[str, Sequence[str]] | None = None,
    span: Span = FULL,
) -> Learned:
    """Learn a feature's appearance and measure it on crops that nothing was learned from.

    Parameters
    ----------
    crops
        (n, C, *s) in [0, 1], as cut.
    groups
        What each crop belongs to (its sample, its patient): a group is held out as a whole, so that windows
        of one sample do not stand on both sides. Default every crop by itself.
    kind, seed, steps, perceptual
        As in :func:`.registry.fit_generator`.
    max_shift
        As in :func:`.registration.register_crops`.
    embed
        As in :func:`.card.quality_card`.
    activation
        The audited unit's value on crops; with it draws are guided to the level of real crops.
    metadata
        Per column one value per crop, "" where there is none: which latent axes go with it is tested.
    span
        Which values of the samples stand for 0 and 1 in the crops.

    Raises
    ------
    TooFewCrops
        Fewer than 12 crops. With 12 to 15 nothing or next to nothing is held out, and the card says so.
    """
    stack = as_crops(crops)
    if len(stack) < FEWEST_CROPS:
        raise TooFewCrops(len(stack))
    owners = list(range(len(stack))) if groups is None else list(groups)
    heldout, choosing = split(owners, seed)
    train = ~heldout & ~choosing
    aligned, shifts = np.empty_like(stack), np.zeros((len(stack), stack.ndim - 2), np.int64)
    aligned[train], shifts[train], template = register_crops(stack[train], max_shift)
    aligned[~train], shifts[~train] = align_to(stack[~train], template, max_shift)
    generator = fit_generator(aligned[train], kind=kind, seed=seed, steps=steps, perceptual=perceptual)
    generator = replace(generator, span=span)
    generator, told = _finished(generator, aligned[train], aligned[choosing], embed, activation, seed)
    told = replace(told, metadata=_of(metadata or {}, train), groups=groups and _rows(owners, train))
    card = quality_card(generator, aligned[train], aligned[heldout], embed, activation, seed, told)
    return Learned(generator, card, aligned, stack, shifts, template, heldout, choosing, groups)


def _finished(
    generator: Generator,
    train: Crops,
    choosing: Crops,
    embed: Embed,
    activation: Activation | None,
    seed: int,
) -> tuple[Generator, Background]:
    """Give the generator its grain and its guidance, each only where it helps."""
    generator, grain = choose_grain(generator, train, choosing, embed, seed)
    if activation is None:
        return generator, Background(grain)
    generator, guidance = guided(generator, train, activation, seed)
    return generator, Background(grain, guidance)


def _of(metadata: Mapping[str, Sequence[str]], mask: NDArray[np.bool_]) -> dict[str, list[str]]:
    return {column: [str(value) for value in _rows(values, mask)] for column, values in metadata.items()}


def _rows(values: Sequence[Hashable], mask: NDArray[np.bool_]) -> list[Hashable]:
    return [value for value, kept in zip(values, mask, strict=True) if kept]


def split(groups: Sequence[Hashable], seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the crops that are reported on and those that choices are made on, by whole groups.

    Returns
    -------
    heldout, choosing
        (n,) each; about 15 % and 10 % of the crops. Where few are held out, all are reported on.
    """
    out = hold_out(groups, seed)
    rows = np.flatnonzero(out)
    marked = _mark([groups[int(row)] for row in rows], int(_CHOOSING * len(rows)), seed + 1)
    choosing = np.zeros_like(out)
    choosing[rows[marked]] = True
    return out & ~choosing, choosing


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
    return _mark(groups, min(int(_HELD_OUT * len(groups)), len(groups) - FEWEST_CROPS), seed)


def _mark(groups: Sequence[Hashable], wanted: int, seed: int) -> NDArray[np.bool_]:
    """Mark up to so many rows by whole groups in random order."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    members = np.array([names[name] for name in groups], np.int64)
    marked = np.zeros(len(members), bool)
    for group in np.random.default_rng(seed).permutation(len(names)):
        own = members == group
        if int(marked.sum() + own.sum()) <= wanted:
            marked |= own
    return marked
