"""SmoothGrad: the gradient averaged over noisy copies of the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.passes import ROWS
from foveal.attribution.options import at_least, one_of
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject

#: Mean of the gradients and mean of their squares to what is shown of each channel.
_AVERAGES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": lambda mean, _square: mean,
    "squared": lambda _mean, square: square,
    "variance": lambda mean, square: (square - mean**2).clamp(min=0),
}


@input_method(
    "smoothgrad",
    formula="M = max_c |E[dS/dx_c at x + noise]|",
    source="Smilkov et al. 2017, arXiv:1706.03825; variance: Adebayo et al. 2018, arXiv:1810.03307",
    cost="many passes",
    sanity="passes",
    place="either",
)
def attribute(
    subject: Subject,
    *,
    samples: int = 20,
    spread: float = 0.15,
    average: str = "mean",
    channels: str = "max",
) -> Tensor:
    """Average the gradient over noisy copies of the sample: the largest magnitude over the channels.

    Parameters
    ----------
    subject
        What is explained.
    samples
        How many noisy copies.
    spread
        Standard deviation of the noise as a part of each sample's own range, 0 or more.
    average
        ``mean`` of the gradients; of their squares, ``squared`` (SmoothGrad-Squared); or their
        ``variance`` (VarGrad).
    channels
        ``max`` as in the paper, ``norm``, or ``sum`` which keeps the sign.

    Returns
    -------
    Tensor
        Maps (B, K, *S) in units of the score per unit of the sample; squared for the latter two averages.
    """
    at_least("samples", samples, 1)
    at_least("spread", spread, 0)
    one_of("average", average, _AVERAGES)
    mean, square = _moments(subject, samples, spread)
    return reduce_channels(_AVERAGES[average](mean, square), channels)


def _moments(subject: Subject, samples: int, spread: float) -> tuple[Tensor, Tensor]:
    """Average the gradients and their squares (B, K, C, *S) over noisy copies, in double precision."""
    batch = len(subject.x)
    total, squares = torch.zeros(()), torch.zeros(())
    for copies in _noisy(subject, samples, spread):
        _, gradients = subject.gradients(copies.flatten(0, 1), layer=subject.layer)
        rows = gradients.double().reshape(-1, batch, *gradients.shape[1:])
        total, squares = total.to(rows) + rows.sum(0), squares.to(rows) + (rows**2).sum(0)
    return total / samples, squares / samples


def _noisy(subject: Subject, samples: int, spread: float) -> Iterator[Tensor]:
    """Add noise to the batch: chunks (R, B, C, *S), the same noise for every sample of the batch.

    So a sample's map does not depend on the others of its batch.
    """
    random = torch.Generator().manual_seed(subject.seed)
    x = subject.x
    flat = x.flatten(1)
    sigma = spread * (flat.amax(1) - flat.amin(1)).reshape(-1, *[1] * (x.ndim - 1))
    repeated = max(1, ROWS // max(1, len(x)))
    for start in range(0, samples, repeated):
        count = min(repeated, samples - start)
        # Drawn one by one: what is drawn must not depend on how many fit into a forward.
        noise = torch.stack([torch.randn((1, *x.shape[1:]), generator=random) for _ in range(count)])
        yield x + sigma * noise.to(x)
