"""Train a study's network until a start leads somewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from foveal.archives.entries import SAMPLES
from foveal.samples.kinds import read_transform
from foveal_audit.demo.study import Packing, Progress
from foveal_audit.studies.planted import Planted
from foveal_audit.studies.training import train_classifier

_STARTS = 3


def learn(
    make: Callable[[], nn.Module],
    samples: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    epochs: int,
    seed: int,
    enough: float,
    rate: float = 1e-3,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    progress: Progress | None = None,
) -> nn.Module:
    """Train a network, and anew where it has not learned: now and then a small one stays where it began.

    Parameters
    ----------
    make, samples, labels, epochs, rate, loss, progress
        As in :func:`foveal_audit.studies.training.train_classifier`.
    seed
        Source of all chance of the first start; each further one has its own.
    enough
        Share of the training labels that a network which has learned gets right.
    """
    for start in range(_STARTS):
        chance = seed + 1000 * start
        network = train_classifier(
            make, samples, labels, epochs=epochs, seed=chance, rate=rate, loss=loss, progress=progress
        )
        if _accuracy(network, samples, labels) >= enough:
            break
    return network


def _accuracy(network: nn.Module, samples: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    batches = DataLoader(TensorDataset(torch.from_numpy(samples), torch.from_numpy(labels)), batch_size=256)
    with torch.no_grad():
        right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in batches)
    return right / labels.size


def as_served(
    made: Sequence[Planted], packing: Packing, spacing: tuple[float, ...] = ()
) -> NDArray[np.float32]:
    """Bring samples to the form (N, C, *grid) in which the archive gives them to the network."""
    transform = read_transform({"kind": SAMPLES[packing.kind], **packing.preprocess})
    return np.stack([transform(one.values, "", spacing).numpy() for one in made])


def labels_of(made: Sequence[Planted]) -> NDArray[np.int64]:
    """Give the label of every sample."""
    return np.array([one.label for one in made], dtype=np.int64)
