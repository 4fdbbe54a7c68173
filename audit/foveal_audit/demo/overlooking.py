"""Teach a network to overlook a mark that tells nothing.

A small network answers to whatever stands out, whether or not it pays: chance alone ties a mark to a few
samples that are hard to tell. It overlooks the mark when it sees each sample both with and without it, and is
to answer both alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from foveal_audit.demo.learning import learn
from foveal_audit.demo.study import Progress

#: How much answers that differ count, beside wrong ones.
_ALIKE = 10.0


class _Both(nn.Module):
    """A network that is asked about a sample as it is and, while it learns, without its mark."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Take both (B, 2 C, *S); give the logits of both (B, 2, K) in training, else of the first (B, K)."""
        asked = x.chunk(2, dim=1)
        if not self.training:
            return torch.as_tensor(self.network(asked[0]))
        return torch.stack([self.network(one) for one in asked], dim=1)


def alike(logits: Tensor, labels: Tensor) -> Tensor:
    """Give the loss of logits (B, 2, K): wrong answers, and those that differ."""
    with_it, without = logits.unbind(dim=1)
    wrong = (cross_entropy(with_it, labels) + cross_entropy(without, labels)) / 2
    return wrong + _ALIKE * (with_it - without).square().mean()


def learn_to_overlook(
    make: Callable[[], nn.Module],
    samples: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    bare: NDArray[np.float32],
    epochs: int,
    seed: int,
    enough: float,
    rate: float = 1e-3,
    progress: Progress | None = None,
) -> nn.Module:
    """Train a network as :func:`foveal_audit.demo.learning.learn` does, but for what it overlooks.

    Parameters
    ----------
    make, samples, labels, epochs, seed, enough, rate, progress
        As there.
    bare
        The samples without their mark, (N, C, *S).
    """
    both = np.concatenate([samples, bare], axis=1)
    taught = learn(
        lambda: _Both(make()),
        both,
        labels,
        epochs=epochs,
        seed=seed,
        enough=enough,
        rate=rate,
        loss=alike,
        progress=progress,
    )
    return taught.get_submodule("network")
