"""Real parts: images and weights made by others, TorchServe, MLflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from foveal.archives.pack import pack

torch.set_num_threads(1)

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MODEL_FILE = Path(__file__).parent / "models" / "resnet20.py"


@pytest.fixture(scope="session")
def data():
    """The folder of real samples; without it these tests have nothing to say."""
    folder = os.environ.get("FOVEAL_DATA")
    if not folder:
        pytest.fail("Set FOVEAL_DATA to the folder with the real samples")
    return Path(folder)


@pytest.fixture(scope="session")
def cifar(data):
    """Name some CIFAR-10 images of every class with their labels."""

    def take(per_class):
        return [
            (path, label)
            for label in LABELS
            for path in sorted((data / "cifar10" / label).iterdir())[:per_class]
        ]

    return take


@pytest.fixture(scope="session")
def pack_resnet(data):
    """Pack ResNet-20 for CIFAR-10 with weights that others trained."""

    def build(out, **changes):
        settings = {
            "size": (32, 32),
            "channels": 3,
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
            "labels": LABELS,
        }
        return pack("vision", MODEL_FILE, data / "cifar10" / "resnet20.th", out, **settings | changes)

    return build
