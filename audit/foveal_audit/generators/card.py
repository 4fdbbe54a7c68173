"""The quality card: what a generator's pictures are worth, measured on crops it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from .crops import Crops, as_crops, flat
from .generator import Generator
from .memorisation import Copying, find_copies
from .metrics import (
    Points,
    Standardiser,
    density_coverage,
    share_interval,
    spread,
    two_sample_accuracy,
)

Embed = Callable[[Crops], NDArray[np.floating]]  #: crops (n, C, h, w) to features (n, ...)
Activation = Callable[[Crops], NDArray[np.floating]]  #: crops (n, C, h, w) to the unit's value (n,)

_ROUNDS = 5  # draws averaged, so that one lucky draw does not make the figure
_DRAWN = 200  # crops drawn to look for copies
_FEWEST_HELD_OUT = 4


class Comparison(TypedDict):
    """Two sets of crops compared in the embedding; see :mod:`.metrics`.

    Attributes
    ----------
    c2st
        How often they can be told apart, 0.5 ideal.
    density, coverage
        Fidelity and diversity, near 1 is good.
    diversity
        Ratio of mean pairwise distances, 1 is good.
    """

    c2st: float
    density: float
    coverage: float
    diversity: float


class ActivationShares(TypedDict):
    """Medians, and shares above the lower quartile of training crops (0.75 by construction for those)."""

    real: float
    generated: float
    real_share: float
    generated_share: float


class QualityCard(Copying):
    """The card, ready for JSON. None = could not be measured; the notes say why.

    Attributes
    ----------
    origin
        How the generator was learned.
    c2st, density, coverage, diversity
        Of :class:`Comparison`, generated against held-out crops.
    c2st_interval
        95 % interval of c2st.
    ceiling
        The same for real training crops in place of generated ones: what can be reached.
    activation
        The audited unit's values on real and generated crops.
    notes
        Plain sentences for whoever looks at the pictures.
    """

    kind: str
    shape: list[int]
    latent_dim: int
    origin: dict[str, Any]
    n_train: int
    n_heldout: int
    c2st: float | None
    c2st_interval: list[float] | None
    density: float | None
    coverage: float | None
    diversity: float | None
    ceiling: Comparison | None
    activation: ActivationShares | None
    notes: list[str]


def quality_card(
    generator: Generator,
    train_crops: NDArray[np.floating],
    heldout_crops: NDArray[np.floating],
    embed: Embed = flat,
    activation: Activation | None = None,
    seed: int = 0,
) -> QualityCard:
    """Measure a generator.

    Parameters
    ----------
    generator
        Learned from ``train_crops`` only.
    train_crops, heldout_crops
        (n, C, h, w) in [0, 1], registered alike. With fewer than four held-out crops only copies are sought.
    embed
        Features of the audited network make the figures tell what *it* sees; default pixels.
    activation
        The audited unit's value on crops.
    seed
        Seeds the draws.
    """
    train, heldout = as_crops(train_crops), as_crops(heldout_crops)
    made = generator.sample(_DRAWN, seed)
    found = _against_heldout(generator, train, heldout, embed, seed)
    card: QualityCard = {
        "kind": generator.kind,
        "shape": list(generator.shape),
        "latent_dim": generator.latent_dim,
        "origin": asdict(generator.origin),
        "n_train": len(train),
        "n_heldout": len(heldout),
        "c2st": found and found["c2st"],
        "c2st_interval": found and _interval(found["c2st"], 2 * len(heldout)),
        "density": found and found["density"],
        "coverage": found and found["coverage"],
        "diversity": found and found["diversity"],
        "ceiling": found and _ceiling(train, heldout, embed, seed),
        "activation": None if activation is None else _activation(activation, made, train, heldout),
        "notes": [],
        **find_copies(made, train, heldout),
    }
    return {**card, "notes": list(_notes(card))}


def _against_heldout(
    generator: Generator, train: Crops, heldout: Crops, embed: Embed, seed: int
) -> Comparison | None:
    n = len(heldout)
    if n < _FEWEST_HELD_OUT:
        return None
    draws = (generator.sample(n, seed + 1 + i) for i in range(_ROUNDS))
    return _compared(train, heldout, draws, embed)


def _ceiling(train: Crops, heldout: Crops, embed: Embed, seed: int) -> Comparison:
    rng = np.random.default_rng(seed)
    picks = (rng.permutation(len(train))[: len(heldout)] for _ in range(_ROUNDS))
    return _compared(train, heldout, (train[pick] for pick in picks), embed)


def _compared(train: Crops, heldout: Crops, draws: Iterable[Crops], embed: Embed) -> Comparison:
    """Average the comparison over draws, each dimension scaled as in the training crops."""
    standardise = Standardiser(_rows(embed(train)))
    real = standardise(_rows(embed(heldout)))
    figures = np.array([_figures(real, standardise(_rows(embed(draw)))) for draw in draws]).mean(0)
    c2st, density, coverage, diversity = (round(float(figure), 4) for figure in figures)
    return {"c2st": c2st, "density": density, "coverage": coverage, "diversity": diversity}


def _figures(real: Points, made: Points) -> tuple[float, ...]:
    diversity = spread(made) / max(spread(real), 1e-12)
    return two_sample_accuracy(real, made), *density_coverage(real, made), diversity


def _rows(features: NDArray[np.floating]) -> Points:
    return np.asarray(features, np.float64).reshape(len(features), -1)


def _interval(share: float, n: int) -> list[float]:
    return [round(end, 4) for end in share_interval(share, n)]


def _activation(activation: Activation, made: Crops, train: Crops, heldout: Crops) -> ActivationShares:
    known = np.asarray(activation(train), np.float64)
    real = np.asarray(activation(heldout), np.float64) if len(heldout) else known
    generated = np.asarray(activation(made), np.float64)
    quartile = float(np.quantile(known, 0.25))
    return {
        "real": round(float(np.median(real)), 4),
        "generated": round(float(np.median(generated)), 4),
        "real_share": round(float((real >= quartile).mean()), 4),
        "generated_share": round(float((generated >= quartile).mean()), 4),
    }


def _is_coarse(card: QualityCard) -> bool:
    return card["n_train"] < 100


def _is_replaced(card: QualityCard) -> bool:
    return bool(card["origin"]["asked"] != card["kind"])


def _is_unmeasured(card: QualityCard) -> bool:
    return card["c2st"] is None


def _is_rough(card: QualityCard) -> bool:
    return not _is_unmeasured(card) and card["n_heldout"] < 30


def _is_a_sketch(card: QualityCard) -> bool:
    c2st, ceiling = card["c2st"], card["ceiling"]
    return c2st is not None and ceiling is not None and c2st > max(0.7, ceiling["c2st"] + 0.15)


def _is_narrow(card: QualityCard) -> bool:
    coverage, ceiling = card["coverage"], card["ceiling"]
    return coverage is not None and ceiling is not None and coverage < 0.6 * ceiling["coverage"]


def _is_uniform(card: QualityCard) -> bool:
    return card["diversity"] is not None and card["diversity"] < 0.6


def _is_copied(card: QualityCard) -> bool:
    return card["memorised"]


def _is_repetitive(card: QualityCard) -> bool:
    return card["duplicates"] > 0.05


def _is_weak(card: QualityCard) -> bool:
    shares = card["activation"]
    return shares is not None and shares["generated_share"] < 0.5 * shares["real_share"]


#: What a reader must know before trusting the pictures: when it applies, and the sentence.
_NOTES: dict[Callable[[QualityCard], bool], str] = {
    _is_coarse: "Learned from only {n_train} crops: expect coarse pictures and missing variants.",
    _is_replaced: "Too few crops for {origin[asked]}: {kind} was learned instead.",
    _is_unmeasured: "Only {n_heldout} crops were held out: quality could not be measured.",
    _is_rough: "Only {n_heldout} crops were held out: the figures are rough.",
    _is_a_sketch: "Generated crops are told from real ones in {c2st:.0%} of cases (50% is ideal): "
    "read them as sketches.",
    _is_narrow: "Generated crops come near only {coverage:.0%} of the held-out ones: "
    "some variants are never drawn.",
    _is_uniform: "Generated crops differ among themselves only {diversity:.0%} as much as real ones: "
    "do not read them as the range of variants.",
    _is_copied: "{copies:.0%} of the generated crops are practically copies of a training crop: "
    "handle them like the crops themselves.",
    _is_repetitive: "{duplicates:.0%} of the training crops look the same as another one.",
    _is_weak: "Only {activation[generated_share]:.0%} of the generated crops excite the unit "
    "as most real ones do ({activation[real_share]:.0%}): what excites it is missing from the pictures.",
}


def _notes(card: QualityCard) -> Iterator[str]:
    return (text.format(**card) for applies, text in _NOTES.items() if applies(card))
