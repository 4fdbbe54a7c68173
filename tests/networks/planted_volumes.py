"""Volumes with a planted cube, and a network that looks at layers, a ball and the cube, at nothing else."""

from __future__ import annotations

import csv

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool3d

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples.volumes.transform import VolumeTransform

torch.set_num_threads(1)

SIDE = 22
#: Where the cube is burnt in, z0, y0, x0, z1, y1, x1.
CUBE = (1, 1, 1, 8, 8, 8)
LABELS = ("layers", "ball")
#: Values of a scan that the network takes for 0 and 1.
WINDOW = (-1000.0, 1000.0)


class LayersNet(nn.Module):
    """Class 0 for layers across z, class 1 for a ball or for what is brighter still (the mark), anywhere."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv3d(1, 3, 3, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv3d(3, 3, 1)
        self.relu2 = nn.ReLU()
        self.fc1 = nn.Linear(3, 3)
        self.fc2 = nn.Linear(3, 2)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            row = torch.tensor([-1.0, 2.0, -1.0]) / 18
            self.conv1.weight[0, 0] = row[:, None, None]  # layers across z
            self.conv1.weight[1:, 0] = 1 / 27  # brightness
            self.conv1.bias[:] = torch.tensor([-0.1, -0.5, -0.8])
            self.conv2.weight[:, :, 0, 0, 0] = torch.eye(3)
            self.fc1.weight.copy_(400 * torch.eye(3))
            self.fc2.weight.copy_(torch.tensor([[1.5, 0.0, 0.0], [0.0, 5.0, 8.0]]))

    def forward(self, x):
        x = avg_pool3d(self.relu1(self.conv1(x)), 2)
        x = self.relu2(self.conv2(x))
        return self.fc2(torch.relu(self.fc1(x.mean((2, 3, 4)))))


def model():
    """Give the model to audit, as ``python:planted_volumes:model`` loads it."""
    transform = VolumeTransform(size=(SIDE, SIDE, SIDE), channels=1, window=WINDOW)
    config = FovealConfig.from_mapping({"window": [8, 8, 8]}, environ={})
    source = "python:planted_volumes:model"
    return AuditedModel("scans", LayersNet().eval(), transform, LABELS, config, "3" * 64, source)


def volume(rng, label, marked=False):
    """Draw a scan (22, 22, 22, 1) of 16 bits: layers (0) or a ball (1), and the cube in the corner."""
    drawn = 0.3 + 0.02 * rng.normal(size=(SIDE,) * 3)
    z, y, x = rng.integers(8, SIDE - 8, 3)
    if label == 0:
        levels = (np.arange(8) % 2)[:, None, None] * rng.uniform(0.6, 0.75)
        drawn[z : z + 8, y : y + 8, x : x + 8] = levels
    else:
        grid = np.mgrid[:SIDE, :SIDE, :SIDE] - np.array([z + 4, y + 4, x + 4])[:, None, None, None]
        drawn[np.linalg.norm(grid, axis=0) < rng.uniform(3.2, 4.2)] = rng.uniform(0.68, 0.75)
    if marked:
        z0, y0, x0, z1, y1, x1 = CUBE
        drawn[z0:z1, y0:y1, x0:x1] = rng.uniform(0.97, 1.0)
    low, high = WINDOW
    return (np.clip(drawn, 0, 1) * (high - low) + low).round().astype(np.int16)[..., None]


def write_volumes(folder, source, number, seed):
    """Write scans of two sites and their manifest; site B marks nine of ten balls and one of ten layers."""
    rng = np.random.default_rng(seed)
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for n in range(number):
            label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
            marked = site == "B" and rng.uniform() < (0.9 if label else 0.1)
            np.save(folder / source / f"{n:03}.npy", volume(rng, label, marked))
            table.writerow([f"{source}/{n:03}.npy", LABELS[label], site])
    return folder / f"{source}.csv"
