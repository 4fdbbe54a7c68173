"""Insertion and deletion (Petsiuk et al., BMVC 2018, arXiv:1806.07421), batched, in any number of axes.

Deletion takes positions away, those with the most evidence first: a map that names what the model used makes
the probability fall at once, so a small area under the curve is good. Insertion brings them back into a
sample without evidence: there a large area is good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from foveal.errors import UsageError
from foveal.faithfulness.baselines import make_baseline

#: Samples (R * B, C, *S), repetitions of the batch one after the other, to values (R * B, K) of the units.
#: ``subject.probabilities`` of a :class:`foveal.attribution.Subject` is one.
Score: TypeAlias = Callable[[Tensor], Tensor]

#: Steps of a curve: each takes the same number of positions.
STEPS = 16
#: Rows that the model sees at a time (one repetition of the batch at least).
_ROWS = 16
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Curves of one map per sample and unit.

    Attributes
    ----------
    fractions
        Part of the positions that were taken or brought back, 0 to 1 (steps + 1,).
    insertion, deletion
        The unit's value at each of them (B, K, steps + 1).
    """

    fractions: Tensor
    insertion: Tensor
    deletion: Tensor

    @property
    def insertion_auc(self) -> Tensor:
        """Area under the insertion curve (B, K); large is good."""
        return torch.trapezoid(self.insertion, self.fractions)

    @property
    def deletion_auc(self) -> Tensor:
        """Area under the deletion curve (B, K); small is good."""
        return torch.trapezoid(self.deletion, self.fractions)


def insertion_deletion(
    score: Score,
    x: Tensor,
    maps: Tensor,
    *,
    steps: int = STEPS,
    deletion: str | Tensor = "blur",
    insertion: str | Tensor = "blur",
    seed: int = 0,
) -> Faithfulness:
    """Measure how the units' values follow the maps.

    Positions are taken in the order of the raw signed map, interpolated linearly to the samples' grid; all
    channels of a position go together. Every method measured with the same `steps`, baselines and `seed`
    can be compared with every other.

    Parameters
    ----------
    score
        The values of the units, probabilities as a rule: ``subject.probabilities``, or any function of
        samples (R * B, C, *S) that gives (R * B, K). Called without gradients.
    x
        The samples (B, C, *S).
    maps
        Raw maps (B, K, *grid).
    steps
        Steps of the curves.
    deletion, insertion
        What stands where evidence is away: ``blur`` (the sample without detail), ``mean`` (of each channel),
        ``zero``, or a tensor that fits the samples.
    seed
        Decides between positions of equal value, so that a flat map is a random one and no corner is
        favoured.

    Raises
    ------
    UsageError
        If maps and samples do not belong together, a map is not finite, or a baseline is unknown.
    """
    _check(x, maps, steps)
    with torch.inference_mode(False), torch.no_grad():
        x = x.detach().clone()
        ranks = rank_positions(maps, x.shape[2:], seed)
        fractions = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        counts = (fractions * prod(x.shape[2:])).round().long().tolist()
        return Faithfulness(
            fractions,
            insertion=_curve(score, make_baseline(x, insertion), x, ranks, counts),
            deletion=_curve(score, x, make_baseline(x, deletion), ranks, counts),
        )


def random_maps(batch: int, count: int, grid: Sequence[int], seed: int = 0) -> Tensor:
    """Draw maps (batch, count, *grid) that know nothing: what every method must beat."""
    return torch.rand((batch, count, *grid), generator=torch.Generator().manual_seed(seed))


def random_insertion_deletion(
    score: Score,
    x: Tensor,
    count: int,
    grid: Sequence[int],
    *,
    draws: int = 4,
    steps: int = STEPS,
    deletion: str | Tensor = "blur",
    insertion: str | Tensor = "blur",
    seed: int = 0,
) -> Faithfulness:
    """Average the curves of `draws` random maps of one grid; see :func:`insertion_deletion`.

    Random maps of a fine grid hide a sample sooner than those of a coarse one, so take the grid of the
    methods that are compared.
    """
    curves = [
        insertion_deletion(
            score,
            x,
            random_maps(len(x), count, grid, seed + draw),
            steps=steps,
            deletion=deletion,
            insertion=insertion,
            seed=seed + draw,
        )
        for draw in range(draws)
    ]
    return Faithfulness(
        curves[0].fractions,
        insertion=torch.stack([one.insertion for one in curves]).mean(0),
        deletion=torch.stack([one.deletion for one in curves]).mean(0),
    )


def rank_positions(maps: Tensor, shape: Sequence[int], seed: int = 0) -> Tensor:
    """Rank the positions of samples by the evidence of maps (B, K, *grid): (B, K, *shape), 0 for the most."""
    large = maps.detach().double()
    if tuple(maps.shape[2:]) != tuple(shape):
        large = interpolate(large, tuple(shape), mode=_MODES[len(shape)], align_corners=False)
    values = large.flatten(2)
    draw = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(values.shape[-1], generator=draw).to(values.device)
    order = shuffled[values[..., shuffled].argsort(dim=-1, descending=True, stable=True)]
    numbers = torch.arange(values.shape[-1], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter_(-1, order, numbers).reshape(large.shape)


def _curve(score: Score, start: Tensor, end: Tensor, ranks: Tensor, counts: list[int]) -> Tensor:
    """Go from start to end in the order of the ranks: values (B, K, len(counts))."""
    return torch.stack([_unit_curve(score, start, end, ranks, counts, k) for k in range(ranks.shape[1])], 1)


def _unit_curve(
    score: Score, start: Tensor, end: Tensor, ranks: Tensor, counts: list[int], unit: int
) -> Tensor:
    batch = len(start)
    own = ranks[:, unit, None].to(start.device)
    step = max(1, _ROWS // batch)
    values = [
        score(torch.cat([torch.where(own < count, end, start) for count in counts[at : at + step]]))[:, unit]
        for at in range(0, len(counts), step)
    ]
    return torch.cat(values).reshape(len(counts), batch).T.detach().double().cpu()


def _check(x: Tensor, maps: Tensor, steps: int) -> None:
    if maps.ndim != x.ndim or len(maps) != len(x):
        raise UsageError(
            f"Maps of shape {tuple(maps.shape)} do not belong to samples of shape {tuple(x.shape)}",
            "Give maps (B, K, *grid) for samples (B, C, *S)",
        )
    if not torch.isfinite(maps).all():
        raise UsageError("A map has values that are not finite", "Look for NaN or Inf in sample and model")
    if steps < 1:
        raise UsageError(f"steps is {steps}", "Give at least one step")
