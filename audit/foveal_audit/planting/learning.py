"""Train the network of a case, once for equal images, labels and settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from foveal.library.shards import cache_folder
from foveal.samples.transform import ImageTransform
from foveal_audit.planting.canvas import SIZE
from foveal_audit.planting.networks import mobile, patent, resnet
from foveal_audit.reproducible import one_thread
from foveal_audit.studies import training
from foveal_audit.studies.training import train_classifier

_NETWORKS: Mapping[str, type[nn.Module]] = {
    "patent": patent.ScaledPatentNet,
    "resnet8": resnet.NarrowResNet,
    "mobile": mobile.MobileLike,
}
#: The networks that can be trained, by name.
NETWORKS = tuple(_NETWORKS)
#: How every network gets its images: grey ones come three times.
TRANSFORM = ImageTransform(size=(SIZE, SIZE), channels=3, mean=(0.5,), std=(0.25,))
_RATE = {"patent": 2e-3, "resnet8": 6e-3, "mobile": 6e-3}
#: A start that leads to less than this right in training has not learned; it is begun anew.
_LEARNED = 0.5


def model_file(network: str) -> Path:
    """Give the file that defines a network."""
    module = {"patent": patent, "resnet8": resnet, "mobile": mobile}[network]
    return Path(str(module.__file__))


@contextmanager
def _fast_small_numbers() -> Iterator[None]:
    """Take numbers too small to matter for zero: they cost a hundred times as much."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def prepared(images: NDArray[np.uint8]) -> torch.Tensor:
    """Bring images (N, 64, 64, C) of 8 bits to what the networks take, (N, 3, 64, 64)."""
    return torch.stack([TRANSFORM(pixels) for pixels in images])


def trained_weights(
    network: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    epochs: int,
    seed: int,
    starts: int = 2,
) -> Path:
    """Train, or find what was trained from exactly this before.

    Parameters
    ----------
    network
        One of :data:`NETWORKS`.
    images, labels
        uint8 (N, 64, 64, C) and int64 (N,).
    epochs
        Passes over the images; none leaves the random weights.
    starts
        How often a network that learns nothing is begun.

    Returns
    -------
    The file with the weights, in Foveal's cache folder.
    """
    weights = cache_folder() / "bench" / f"{_key(network, images, labels, epochs, seed)}.pt"
    if not weights.is_file():
        weights.parent.mkdir(parents=True, exist_ok=True)
        part = weights.with_suffix(f".{os.getpid()}.part")
        torch.save(_train(network, images, labels, epochs, seed, starts).state_dict(), part)
        part.replace(weights)
    return weights


def _key(network: str, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int, seed: int) -> str:
    digest = hashlib.sha256(f"{network} {epochs} {seed} {torch.__version__}".encode())
    for file in (model_file(network), Path(training.__file__), Path(__file__)):
        digest.update(file.read_bytes())
    digest.update(images.tobytes() + labels.tobytes())
    return digest.hexdigest()[:32]


def _train(
    network: str, images: NDArray[np.uint8], labels: NDArray[np.int64], epochs: int, seed: int, starts: int
) -> nn.Module:
    with one_thread(), _fast_small_numbers():
        if not epochs:
            return untrained(network, seed)
        x = prepared(images)
        for start in range(starts):
            made = train_classifier(
                _NETWORKS[network],
                x.numpy(),
                labels,
                epochs=epochs,
                seed=seed + 1000 * start,
                rate=_RATE[network],
            )
            if (logits(made, x).argmax(axis=1) == labels).mean() >= _LEARNED:
                break
    return made


def untrained(network: str, seed: int) -> nn.Module:
    """Build a network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _NETWORKS[network]().eval()


def load_network(network: str, weights: Path) -> nn.Module:
    """Build a network with the weights of a file."""
    made = untrained(network, 0)
    made.load_state_dict(torch.load(weights, weights_only=True))
    return made.eval()


def logits(module: nn.Module, x: torch.Tensor) -> NDArray[np.float64]:
    """Ask a network about prepared images: float64 (N, 3)."""
    with torch.no_grad():
        parts = [module(x[start : start + 128]).double() for start in range(0, len(x), 128)]
    return np.asarray(torch.cat(parts).numpy())
