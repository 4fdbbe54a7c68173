"""Train a small classifier the same way every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from foveal_audit.layouts import FASTEST


def _identity(batch: torch.Tensor) -> torch.Tensor:
    return batch


def train_classifier(
    make: Callable[[], nn.Module],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    epochs: int,
    seed: int,
    batch: int = 32,
    rate: float = 1e-3,
    augment: Callable[[torch.Tensor], torch.Tensor] = _identity,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = cross_entropy,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Fit the network that ``make`` builds with Adam on a one-cycle schedule.

    Parameters
    ----------
    make
        Builds the untrained network; called under the seed.
    images, labels
        float32 (N, C, *S) and int64 (N,); of networks with an answer per position int64 (N, *S).
    epochs, seed, batch, rate
        Passes over the data, source of all chance, images a step, highest learning rate.
    augment
        Applied to every batch (B, C, *S).
    loss
        What is made small, from logits and labels.
    progress
        Called with steps done and steps in all.

    Returns
    -------
    The network in evaluation mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layout = FASTEST.get(images.ndim, torch.contiguous_format)
        network = _laid_out(make(), layout)
        x = torch.from_numpy(images).contiguous(memory_format=layout)
        y = torch.from_numpy(labels)
        steps = epochs * -(-len(x) // batch)
        optimiser = torch.optim.Adam(network.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
        for done, rows in enumerate(_batches(len(x), batch, epochs), start=1):
            missed = loss(network(augment(x[rows])), y[rows])
            optimiser.zero_grad(set_to_none=True)
            missed.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if progress:
                progress(done, steps)
    return _laid_out(network, torch.contiguous_format).eval()


def _laid_out(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's own types
    return network


def _batches(number: int, size: int, epochs: int) -> Iterator[torch.Tensor]:
    for _ in range(epochs):
        order = torch.randperm(number)
        for start in range(0, number, size):
            yield order[start : start + size]
