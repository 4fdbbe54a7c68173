"""Training: it learns, the same way every time, and leaves the caller's chance alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from foveal_audit.studies.network import PatentNet
from foveal_audit.studies.training import train_classifier


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 90)
    images = rng.normal(0, 0.3, (90, 1, 8, 8)).astype(np.float32)
    images[labels == 1, :, :4] += 1
    return images, labels


def train(data, **how):
    return train_classifier(network, *data, **{"epochs": 4, "seed": 0, "rate": 1e-2, **how})


def test_it_learns_and_ends_in_evaluation_mode(data):
    trained = train(data)
    with torch.no_grad():
        right = (trained(torch.from_numpy(data[0])).argmax(1).numpy() == data[1]).mean()
    assert right > 0.95
    assert not any(module.training for module in trained.modules())
    assert all(parameter.is_contiguous() for parameter in trained.parameters())


def test_same_seed_same_weights_and_the_callers_chance_stays(data):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first, second, other = train(data), train(data), train(data, seed=1)
    assert torch.rand(1) == expected
    weights = [torch.cat([p.flatten() for p in one.parameters()]) for one in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_progress_and_augmentation_see_every_step(data):
    told, seen = [], []
    train(data, progress=lambda *step: told.append(step), augment=lambda x: seen.append(len(x)) or x)
    assert told == [(step, 12) for step in range(1, 13)]
    assert sum(seen) == 4 * 90


def test_the_patents_network_takes_its_images():
    torch.manual_seed(0)
    made = PatentNet()
    assert made(torch.rand(2, 1, 96, 96)).shape == (2, 5)
    assert not made.fc1.bias.any()
    assert [name for name, part in made.named_children()] == ["features", "fc1", "relu", "fc2"]
