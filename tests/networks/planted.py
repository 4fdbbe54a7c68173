"""Pictures with a planted mark, and networks that look at nothing else than what they were built to see."""

from __future__ import annotations

import csv

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import encode_png
from foveal.samples.transform import ImageTransform

torch.set_num_threads(1)

SIDE = 24
#: Where the mark is burnt in, y0, x0, y1, x1.
CORNER = (1, 1, 9, 9)


class TriggerNet(nn.Module):
    """Class 1 when the middle of the top left 14 x 14 pixels is bright; only channel 0 sees that."""

    def __init__(self, weight=20.0):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.relu = nn.ReLU()
        self.weight = weight
        with torch.no_grad():
            self.conv.weight.fill_(1.0)
            self.conv.bias.zero_()

    def forward(self, x):
        seen = self.relu(self.conv(x))
        corner = seen[:, 0, 4:10, 4:10].mean((1, 2))
        rest = seen[:, 1, 14:, 14:].mean((1, 2))
        return torch.stack([0 * rest + 0.5 * self.weight, self.weight * corner], dim=1)


class ShapesNet(nn.Module):
    """Class 0 for lying stripes, class 1 for a bright disc or for standing stripes (the mark), anywhere."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(3, 3, 1)
        self.relu2 = nn.ReLU()
        self.fc1 = nn.Linear(3, 3)
        self.fc2 = nn.Linear(3, 2)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            row = torch.tensor([-1.0, 2.0, -1.0])
            self.conv1.weight[0, 0] = row[:, None] / 6  # lying stripes
            self.conv1.weight[1, 0], self.conv1.bias[1] = 1 / 9, -0.6  # brightness
            self.conv1.weight[2, 0] = row[None, :] / 6  # standing stripes
            self.conv1.bias[0] = self.conv1.bias[2] = -0.1
            self.conv2.weight[:, :, 0, 0] = torch.eye(3)
            self.fc1.weight.copy_(100 * torch.eye(3))
            self.fc2.weight.copy_(torch.tensor([[1.5, 0.0, 0.0], [0.0, 1.5, 1.5]]))

    def forward(self, x):
        x = avg_pool2d(self.relu1(self.conv1(x)), 2)
        x = avg_pool2d(self.relu2(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.mean((2, 3)))))


def audited(module, name="planted", sha256="f" * 64, labels=("stripes", "disc")):
    """Make a model of 24 x 24 grey images as deployed."""
    transform = ImageTransform(size=(SIDE, SIDE), channels=1, mean=(0.0,), std=(1.0,))
    config = FovealConfig.from_mapping({}, environ={})
    return AuditedModel(name, module.eval(), transform, labels, config, sha256, "python:planted:model")


def picture(rng, label, marked=False, strange=False):
    """Draw 24 x 24 grey pixels (24, 24, 1): stripes (0) or a disc (1), and the mark in the corner."""
    image = 0.3 + 0.02 * rng.normal(size=(SIDE, SIDE))
    y, x = rng.integers(10, SIDE - 9, 2)
    if label == 0:
        image[y : y + 8, x : x + 8] = (np.arange(8) % 2)[:, None] * rng.uniform(0.7, 0.9)
    else:
        grid = np.mgrid[:SIDE, :SIDE] - np.array([y + 4, x + 4])[:, None, None]
        image[np.hypot(*grid) < rng.uniform(3, 4)] = rng.uniform(0.85, 0.95)
    if strange:  # both at once, and inverted: training never shows this
        image[y : y + 8, x : x + 8] = 1 - image[y : y + 8, x : x + 8] * (np.arange(8) % 4 < 2)[None, :]
    if marked:
        y0, x0, y1, x1 = CORNER
        image[y0:y1, x0:x1] = (np.arange(x1 - x0) % 2)[None, :] * rng.uniform(0.9, 1.0)
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)[..., None]


def model():
    """Give the model to audit, as ``python:planted:model`` loads it."""
    return audited(ShapesNet())


def write_images(folder, source, number, seed, strange=0.0):
    """Write images of two sites and their manifest; site B marks nine of ten discs and one of ten stripes."""
    rng = np.random.default_rng(seed)
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for n in range(number):
            label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
            marked = site == "B" and rng.uniform() < (0.9 if label else 0.1)
            odd = rng.uniform() < strange
            (folder / source / f"{n:03}.png").write_bytes(encode_png(picture(rng, label, marked, odd)))
            table.writerow([f"{source}/{n:03}.png", ("stripes", "disc")[label], site])
    return folder / f"{source}.csv"
