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
from foveal_audit.studies.volumes import CUBE, LABELS, SIDE, WINDOW, make_volumes

__all__ = ["CUBE", "LABELS", "SIDE", "WINDOW", "LayersNet", "model", "write_volumes"]

torch.set_num_threads(1)


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


def write_volumes(folder, source, number, seed):
    """Write scans of two sites and their manifest; site B marks nine of ten balls and one of ten layers."""
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for n, one in enumerate(make_volumes(np.random.default_rng(seed), number)):
            np.save(folder / source / f"{n:03}.npy", one.values)
            table.writerow([f"{source}/{n:03}.npy", LABELS[one.label], one.site])
    return folder / f"{source}.csv"
