"""Meaningful perturbation: the smallest smooth mask whose removal takes the unit's value away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.gradients.passes import Rows, by_units
from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import class_units
from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject
from foveal.faithfulness.baselines import make_baseline

#: Cells of the paper's mask, by which its weights of a sum over cells become weights of a mean.
_PAPER_CELLS = 28 * 28
#: Power of the mask's slopes in the penalty.
_BETA = 3


@dataclass(frozen=True)
class _Weights:
    """What a deleted cell and an edge of the mask cost, in the unit of the explained score."""

    area: float
    edge: float


@input_method(
    "meaningful-perturbation",
    formula="M = 1 - argmin_m S(m x + (1 - m) blur(x)) + l1 |1 - m| + tv sum |grad m|^3",
    source="Fong and Vedaldi, ICCV 2017, arXiv:1704.03296",
    cost="optimisation",
    sanity="passes",
)
def attribute(
    subject: Subject,
    *,
    steps: int = 300,
    rate: float = 0.1,
    l1: float = 1e-4,
    tv: float = 1e-2,
    jitter: int = 4,
    cells: int = 28,
    baseline: str = "blur",
) -> Tensor:
    """Learn for each sample and unit which positions must go for the score to fall.

    Parameters
    ----------
    subject
        Classes are explained by their probability, nodes by their value over that of the unchanged sample.
    steps, rate
        Of Adam.
    l1, tv
        Cost of each deleted cell and of the mask's edges, as for the paper's 28 x 28 cells; means over cells
        keep them what they are on other grids.
    jitter
        The sample is shifted by up to so many positions at each step, and at most an eighth of its side.
    cells
        Cells of the mask along each axis, at most the sample's positions.
    baseline
        What stands where the mask deletes: ``blur``, ``mean`` or ``zero``. The blur is that of the insertion
        and deletion curves, a tenth of each side: wide enough for smooth objects to go.

    Returns
    -------
    Tensor
        Maps 1 - m (B, K, *S) in [0, 1]: how much of a position is deleted.
    """
    at_least("steps", steps, 1)
    at_least("cells", cells, 1)
    at_least("jitter", jitter, 0)
    weights = _Weights(l1 * _PAPER_CELLS, tv * _PAPER_CELLS)
    other, size = make_baseline(subject.x, baseline), _size(subject)

    def learn(rows: Rows) -> Tensor:
        own = size[:, rows.first : rows.first + rows.count].T.flatten()
        return _Deletion(rows, rows.repeat(other), own, weights).learn(steps, rate, jitter, cells)

    return (1 - by_units(subject, learn)[:, :, 0]).float()


def _size(subject: Subject) -> Tensor:
    """Give what scores (B, K) are divided by: the plain value of nodes, one for classes and for zeros."""
    with torch.no_grad():
        size = subject.scores(subject.x).abs()
    return torch.where(class_units(subject) | (size == 0), torch.ones_like(size), size)


@dataclass(frozen=True, eq=False)
class _Deletion:
    """The search for masks whose deletion takes the rows' scores away.

    Attributes
    ----------
    rows
        What each row explains.
    other
        What stands where a mask deletes (R * B, C, *S).
    size
        What the rows' scores are divided by (R * B,).
    weights
        What masks cost.
    """

    rows: Rows
    other: Tensor
    size: Tensor
    weights: _Weights

    def learn(self, steps: int, rate: float, jitter: int, cells: int) -> Tensor:
        """Give the masks (R * B, 1, *S), 1 where the sample is kept."""
        x = self.rows.subject.x
        sides = tuple(x.shape[2:])
        grid = [min(cells, side) for side in sides]
        mask = x.new_ones((len(self.other), 1, *grid)).requires_grad_()
        descent = torch.optim.Adam([mask], lr=rate)
        for shift in _shifts(sides, steps, jitter, self.rows.subject.seed):
            with torch.enable_grad():
                loss = self._penalty(mask) + self._score(resize(mask, sides), shift)
                (mask.grad,) = torch.autograd.grad(loss, mask)
            descent.step()
            with torch.no_grad():
                mask.clamp_(0, 1)
        return resize(mask.detach(), sides)

    def _score(self, kept: Tensor, shift: list[int]) -> Tensor:
        """Sum the rows' scores, each of its own unit."""
        seen = kept * self.rows.repeat(self.rows.subject.x) + (1 - kept) * self.other
        return (self.rows.probability(_shifted(seen, shift)) / self.size).sum()

    def _penalty(self, mask: Tensor) -> Tensor:
        """Sum over rows what is deleted and how rough the mask is."""
        area = (1 - mask).flatten(1).mean(1)
        slopes = (mask.diff(dim=axis).abs().pow(_BETA).flatten(1).sum(1) for axis in range(2, mask.ndim))
        edges = sum(slopes) / mask[0].numel()
        return (self.weights.area * area + self.weights.edge * edges).sum()


def _shifts(sides: tuple[int, ...], steps: int, jitter: int, seed: int) -> Iterator[list[int]]:
    random = torch.Generator().manual_seed(seed)
    most = [min(jitter, side // 8) for side in sides]
    for _ in range(steps):
        yield [int(torch.randint(-one, one + 1, (), generator=random)) for one in most]


def _shifted(x: Tensor, shift: list[int]) -> Tensor:
    """Shift samples, their border repeated."""
    for axis, by in enumerate(shift, start=2):
        side = x.shape[axis]
        if by:
            x = x.index_select(axis, (torch.arange(side, device=x.device) - by).clamp(0, side - 1))
    return x
