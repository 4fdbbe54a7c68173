"""RISE: what the model answers when random parts of the sample are all that it sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import in_chunks, repetitions
from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject
from foveal.errors import UsageError
from foveal.faithfulness.baselines import make_baseline


@input_method(
    "rise",
    formula="M = E[S(mask * x) | mask keeps the position] - E[S(mask * x)]",
    source="Petsiuk, Das and Saenko, BMVC 2018, arXiv:1806.07421",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject,
    *,
    samples: int = 2000,
    cells: int = 7,
    keep: float = 0.5,
    baseline: str = "zero",
    centred: bool = True,
) -> Tensor:
    """Average the probability over random masks that keep a position, against all masks.

    The paper's estimate, mean(S * mask) / keep, is noisy where a position happened to be kept more or less
    often than on average. The sample covariance cov(S, mask) / keep + mean(S) expects the very same value
    and does not carry that noise; without mean(S) a position that does not matter is zero.

    Parameters
    ----------
    subject
        Classes are explained by their probability, nodes by their value.
    samples
        How many masks, at least 2; the paper takes 4000 to 8000.
    cells
        Cells of a mask along each axis.
    keep
        Chance of a cell to be kept.
    baseline
        What stands where nothing is kept: ``zero`` as in the paper, ``mean`` or ``blur``.
    centred
        Whether the mean over all masks is taken off; the paper leaves it in.

    Returns
    -------
    Tensor
        Maps (B, K, *S) in units of the score.
    """
    at_least("samples", samples, 2)
    at_least("cells", cells, 1)
    if not 0 < keep < 1:
        raise UsageError(f"Option 'keep' is {keep}", "Give a chance between 0 and 1")
    sums = _Sums(samples)
    with torch.no_grad():
        other = make_baseline(subject.x, baseline)
        masks = draw_masks(samples, tuple(subject.x.shape[2:]), cells=cells, keep=keep, seed=subject.seed)
        for chunk in in_chunks(masks, repetitions(subject)):
            kept = torch.stack(chunk).to(subject.x)
            sums.add(kept, subject.probabilities(_blend(subject.x, other, kept)))
    return sums.estimate(keep, centred=centred).float()


def draw_masks(
    samples: int, sides: tuple[int, ...], *, cells: int, keep: float, seed: int
) -> Iterator[Tensor]:
    """Draw smooth masks (*S) in [0, 1]: random coarse grids, enlarged and shifted by less than a cell.

    Every position is kept with the chance `keep` on average over all masks.
    """
    random = torch.Generator().manual_seed(seed)
    size = [-(-side // cells) for side in sides]
    grids = torch.rand((samples, *[cells + 1] * len(sides)), generator=random) < keep
    shifts = torch.rand((samples, len(sides)), generator=random)
    for grid, shift in zip(grids, shifts, strict=True):
        mask = resize(grid[None, None].float(), [(cells + 1) * one for one in size])[0, 0]
        for axis, side in enumerate(sides):
            mask = mask.narrow(axis, int(shift[axis] * size[axis]), side)
        yield mask


def _blend(x: Tensor, other: Tensor, kept: Tensor) -> Tensor:
    """Keep the masks' part (R, *S) of the batch, the rest from elsewhere: (R * B, C, *S)."""
    masks = kept[:, None, None]
    return (masks * x + (1 - masks) * other).flatten(0, 1)


@dataclass
class _Sums:
    """Running sums over masks, in double precision: their covariance is a small difference."""

    samples: int
    scores: Tensor | float = 0.0
    masks: Tensor | float = 0.0
    products: Tensor | float = 0.0

    def add(self, masks: Tensor, scores: Tensor) -> None:
        """Take in masks (R, *S) and their scores (R * B, K)."""
        masks = masks.double()
        values = scores.double().reshape(len(masks), -1, scores.shape[1])
        self.scores = self.scores + values.sum(0)
        self.masks = self.masks + masks.sum(0)
        self.products = self.products + torch.einsum("rbk,rs->bks", values, masks.flatten(1))

    def estimate(self, keep: float, *, centred: bool) -> Tensor:
        """Give cov(score, mask) / keep, and + mean(score) if not centred: (B, K, *S)."""
        scores, masks, products = map(torch.as_tensor, (self.scores, self.masks, self.products))
        covariance = products - scores[..., None] * masks.flatten() / self.samples
        maps = covariance / (self.samples - 1) / keep
        if not centred:
            maps = maps + scores[..., None] / self.samples
        return maps.reshape(*scores.shape, *masks.shape)
