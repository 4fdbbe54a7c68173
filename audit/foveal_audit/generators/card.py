"""The quality card: what a generator's pictures are worth, measured on crops it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from foveal_audit.spans import FULL, Span

from .appearance import PlainEyes
from .axes import Axis, describe_axes
from .crops import Crops, as_crops, flat
from .generator import Generator
from .guidance import Activation, Guidance
from .memorisation import Copying, find_copies
from .metrics import (
    Points,
    Standardiser,
    density_coverage,
    ratio_interval,
    rows,
    share_interval,
    smoothness,
    spread,
    two_sample_accuracy,
)

Embed = Callable[[Crops], NDArray[np.floating]]  #: crops (n, C, *s) to features (n, ...)

_ROUNDS = 5  # draws averaged, so that one lucky draw does not make the figure
_CEILING_ROUNDS = 2
_DRAWN = 200  # crops drawn to look for copies
_FEWEST_HELD_OUT = 4
_REFERENCE = 200  # training crops that give the scale of what is measured one by one
_LINES, _STOPS = 12, 17


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


class Seen(Comparison):
    """The comparison with held-out crops in one pair of eyes; see :class:`QualityCard`."""

    c2st_interval: list[float]
    ceiling: Comparison


class ActivationShares(TypedDict):
    """How strongly crops excite the audited unit, real and generated ones measured alike.

    Attributes
    ----------
    real, generated
        Medians.
    real_share, generated_share
        Shares above the lower quartile of training crops (0.75 by construction for those).
    relative, relative_interval
        The second over the first, and its 95 % interval; 1 = as strongly as real crops.
    relative_at_tenth
        The same above the lowest tenth of training crops.
    """

    real: float
    generated: float
    real_share: float
    generated_share: float
    relative: float
    relative_interval: list[float]
    relative_at_tenth: float


class _Unit(TypedDict, total=False):
    """What only crops with a unit of their own have."""

    span: dict[str, list[float]]


class QualityCard(Copying, _Unit):
    """The card, ready for JSON. None = could not be measured; the notes say why.

    Attributes
    ----------
    origin
        How the generator was learned.
    span
        Values of the samples that are 0 and 1 in crops, per channel; absent where it is the type's range.
    c2st, density, coverage, diversity
        Of :class:`Comparison`, generated against held-out crops.
    c2st_interval
        95 % interval of c2st.
    ceiling
        The same for real training crops in place of generated ones: what can be reached.
    appearance
        The same comparison without any network: gradients, colours and the coarse picture.
    activation
        The audited unit's values on real and generated crops.
    smoothness
        Largest over mean step along straight lines between draws, in the embedding; 1 is perfectly even.
    grain
        Strength of the texture that draws get, 0 for none; None where there were too few crops to choose it.
    guidance
        What guidance did; None where the unit cannot be asked.
    axes
        What the first latent axes do; see :mod:`.axes`.
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
    appearance: Seen | None
    activation: ActivationShares | None
    smoothness: float
    grain: float | None
    guidance: Guidance | None
    axes: list[Axis]
    notes: list[str]


@dataclass(frozen=True)
class Background:
    """What is said on a card beside its measurements.

    Attributes
    ----------
    grain, guidance
        As on the card.
    metadata, groups
        As in :func:`.axes.describe_axes`.
    """

    grain: float | None = None
    guidance: Guidance | None = None
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)
    groups: Sequence[Hashable] | None = None


def quality_card(
    generator: Generator,
    train_crops: NDArray[np.floating],
    heldout_crops: NDArray[np.floating],
    embed: Embed = flat,
    activation: Activation | None = None,
    seed: int = 0,
    background: Background | None = None,
) -> QualityCard:
    """Measure a generator.

    Parameters
    ----------
    generator
        Learned from ``train_crops`` only.
    train_crops, heldout_crops
        (n, C, *s) in [0, 1], registered alike. With fewer than four held-out crops only copies are sought.
    embed
        Features of the audited network make the figures tell what *it* sees; default pixels.
    activation
        The audited unit's value on crops.
    seed
        Seeds the draws.
    background
        What else the card says.
    """
    train, heldout = as_crops(train_crops), as_crops(heldout_crops)
    told = background or Background()
    made = generator.sample(_DRAWN, seed)
    draws = [generator.sample(len(heldout), seed + 1 + i) for i in range(_ROUNDS)] if len(heldout) else []
    found, plain = (_seen(train, heldout, draws, eyes, seed) for eyes in (embed, PlainEyes(train)))
    card: QualityCard = {
        "kind": generator.kind,
        "shape": list(generator.shape),
        **_unit(generator.span),
        "latent_dim": generator.latent_dim,
        "origin": asdict(generator.origin),
        "n_train": len(train),
        "n_heldout": len(heldout),
        "c2st": found and found["c2st"],
        "c2st_interval": found and found["c2st_interval"],
        "density": found and found["density"],
        "coverage": found and found["coverage"],
        "diversity": found and found["diversity"],
        "ceiling": found and found["ceiling"],
        "appearance": plain,
        "activation": None if activation is None else _activation(activation, made, train, heldout),
        "smoothness": _smoothness(generator, train, embed, seed),
        "grain": told.grain,
        "guidance": told.guidance,
        "axes": describe_axes(generator, train, told.metadata, told.groups, seed),
        "notes": [],
        **find_copies(made, train, heldout, told.groups),
    }
    return {**card, "notes": list(_notes(card))}


def _unit(span: Span) -> _Unit:
    return {} if span == FULL else {"span": span.to_json()}


def _seen(train: Crops, heldout: Crops, draws: Sequence[Crops], embed: Embed, seed: int) -> Seen | None:
    if len(heldout) < _FEWEST_HELD_OUT:
        return None
    found = _compared(train, heldout, draws, embed)
    interval = _interval(found["c2st"], 2 * len(heldout))
    return {**found, "c2st_interval": interval, "ceiling": _ceiling(train, heldout, embed, seed)}


def _smoothness(generator: Generator, train: Crops, embed: Embed, seed: int) -> float:
    """Walk straight lines between draws; grain, which is the same noise all along, is left out."""
    ends = generator.draw(2 * _LINES, seed).reshape(_LINES, 2, -1)
    places = np.linspace(0, 1, _STOPS, dtype=np.float32)[:, None]
    path = ends[:, :1] * (1 - places) + ends[:, 1:] * places
    made = generator.decode(path.reshape(_LINES * _STOPS, -1))
    points = Standardiser(rows(embed(train[:_REFERENCE])))(rows(embed(made)))
    return round(smoothness(points.reshape(_LINES, _STOPS, -1)), 4)


def _ceiling(train: Crops, heldout: Crops, embed: Embed, seed: int) -> Comparison:
    rng = np.random.default_rng(seed)
    picks = (rng.permutation(len(train))[: len(heldout)] for _ in range(_CEILING_ROUNDS))
    return _compared(train, heldout, (train[pick] for pick in picks), embed)


def _compared(train: Crops, heldout: Crops, draws: Iterable[Crops], embed: Embed) -> Comparison:
    """Average the comparison over draws, each dimension scaled as in the training crops."""
    standardise = Standardiser(rows(embed(train)))
    real = standardise(rows(embed(heldout)))
    figures = np.array([_figures(real, standardise(rows(embed(draw)))) for draw in draws]).mean(0)
    c2st, density, coverage, diversity = (round(float(figure), 4) for figure in figures)
    return {"c2st": c2st, "density": density, "coverage": coverage, "diversity": diversity}


def _figures(real: Points, made: Points) -> tuple[float, ...]:
    diversity = spread(made) / max(spread(real), 1e-12)
    return two_sample_accuracy(real, made), *density_coverage(real, made), diversity


def _interval(share: float, n: int) -> list[float]:
    return [round(end, 4) for end in share_interval(share, n)]


def _activation(activation: Activation, made: Crops, train: Crops, heldout: Crops) -> ActivationShares:
    known = np.asarray(activation(train[:_REFERENCE]), np.float64)
    real = np.asarray(activation(heldout), np.float64) if len(heldout) else known
    generated = np.asarray(activation(made), np.float64)
    tenth, quartile = np.quantile(known, (0.1, 0.25))
    above = generated >= quartile, real >= quartile
    return {
        "real": round(float(np.median(real)), 4),
        "generated": round(float(np.median(generated)), 4),
        "real_share": round(float(above[1].mean()), 4),
        "generated_share": round(float(above[0].mean()), 4),
        "relative": _ratio(*above),
        "relative_interval": [round(end, 4) for end in ratio_interval(*above)],
        "relative_at_tenth": _ratio(generated >= tenth, real >= tenth),
    }


def _ratio(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return round(float(part.mean() / max(whole.mean(), 1 / len(whole))), 4)


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


def _is_told_apart(card: QualityCard) -> bool:
    seen = card["appearance"]
    return seen is not None and seen["c2st"] > max(0.7, seen["ceiling"]["c2st"] + 0.15)


def _is_jumpy(card: QualityCard) -> bool:
    return card["smoothness"] > 3.5


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
    _is_told_apart: "By edges, colours and coarse shape generated crops are told from real ones in "
    "{appearance[c2st]:.0%} of cases (50% is ideal): read them as sketches.",
    _is_jumpy: "Along straight lines the pictures jump (largest step {smoothness:.1f} times the mean one).",
    _is_narrow: "Generated crops come near only {coverage:.0%} of the held-out ones: "
    "some variants are never drawn.",
    _is_uniform: "Generated crops differ among themselves only {diversity:.0%} as much as real ones: "
    "do not read them as the range of variants.",
    _is_copied: "{copies:.0%} of the generated crops are practically copies of a training crop: "
    "none of them is shown, and the generator is withheld.",
    _is_repetitive: "{duplicates:.0%} of the training crops look the same as another one.",
    _is_weak: "Only {activation[generated_share]:.0%} of the generated crops excite the unit "
    "as most real ones do ({activation[real_share]:.0%}): what excites it is missing from the pictures.",
}


def _notes(card: QualityCard) -> Iterator[str]:
    return (text.format(**card) for applies, text in _NOTES.items() if applies(card))
