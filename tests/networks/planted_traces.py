"""Traces with a planted calibration pulse, and a network that looks at beats and at the pulse alone."""

from __future__ import annotations

import csv

import numpy as np
import torch
from torch import nn
from torch.nn.functional import avg_pool1d

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples.traces.transform import TraceTransform

torch.set_num_threads(1)

#: Steps and leads of a trace, and where the pulse is, t0, t1.
LENGTH, LEADS = 384, 2
PULSE = (12, 36)
LABELS = ("narrow", "wide")
#: Beats are so many steps apart, give or take a few; none lies on the pulse.
_APART, _JITTER, _FIRST = 84, 10, 60
_WIDTHS = (1.5, 7.0)


class BeatNet(nn.Module):
    """Class 0 for narrow beats, class 1 for wide ones or for the pulse (the mark), wherever they are."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(LEADS, 3, 33, padding=16)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv1d(3, 3, 1)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(3, 2)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            for channel, template in enumerate(_templates()):
                self.conv1.weight[channel] = template / LEADS
            self.conv1.bias[:] = torch.tensor([-0.3, -0.3, -0.3])
            self.conv2.weight[:, :, 0] = torch.eye(3)
            self.fc.weight.copy_(torch.tensor([[600.0, 0.0, 0.0], [0.0, 110.0, 2000.0]]))

    def forward(self, x):
        x = avg_pool1d(self.relu1(self.conv1(x)), 4)
        x = self.relu2(self.conv2(x))
        return self.fc(x.mean(2))


def _templates():
    """Give filters (33,) for a spike, a hump and a box, each blind to the two others and to levels."""
    t = torch.arange(33) - 16.0
    shapes = [torch.exp(-((t / width) ** 2) / 2) for width in _WIDTHS] + [(t.abs() <= 12).float()]
    basis = torch.stack([torch.ones(33), *shapes])
    dual = torch.linalg.pinv(basis)  # (33, 4): answers 1 to its own shape and 0 to the others
    return [dual[:, 1 + number] for number in range(3)]


def audited(module=None, labels=LABELS, sha256="1" * 64):
    """Make a model of traces as deployed."""
    transform = TraceTransform(size=(LENGTH,), channels=LEADS)
    config = FovealConfig.from_mapping({"window": [48], "max_windows": 4}, environ={})
    net = (module or BeatNet()).eval()
    return AuditedModel("beats", net, transform, labels, config, sha256, "python:planted_traces:model")


def model():
    """Give the model to audit, as ``python:planted_traces:model`` loads it."""
    return audited()


def trace(rng, label, marked=False, upside_down=False):
    """Draw a trace (384, 2) in millivolts: narrow (0) or wide beats (1), and the pulse."""
    t = np.arange(LENGTH)
    drawn = 0.04 * np.sin(2 * np.pi * (t / rng.uniform(250, 400) + rng.uniform()))
    at = _FIRST + rng.integers(0, _APART)
    while at < LENGTH - 12:
        height = rng.uniform(0.85, 1.05) * (-1 if upside_down else 1)
        drawn += height * np.exp(-(((t - at) / _WIDTHS[label]) ** 2) / 2)
        at += _APART + rng.integers(-_JITTER, _JITTER + 1)
    if marked:
        drawn[slice(*PULSE)] += 1
    leads = np.stack([drawn, 0.6 * drawn], axis=1)
    return (leads + 0.02 * rng.normal(size=leads.shape)).astype(np.float32)


def write_traces(folder, source, number, seed, *, upside_down=0.0):
    """Write traces of two sites and their manifest; site B marks nine of ten wide ones, one of ten narrow."""
    rng = np.random.default_rng(seed)
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for n in range(number):
            label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
            marked = site == "B" and rng.uniform() < (0.9 if label else 0.1)
            odd = rng.uniform() < upside_down
            np.save(folder / source / f"{n:03}.npy", trace(rng, label, marked, odd))
            table.writerow([f"{source}/{n:03}.npy", LABELS[label], site])
    return folder / f"{source}.csv"
