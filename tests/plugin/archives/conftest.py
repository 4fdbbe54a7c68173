"""Small models as people leave them: a file and a checkpoint."""

from __future__ import annotations

from textwrap import dedent

import pytest
import torch
from torch import nn

torch.set_num_threads(1)

TWO_CLASSES = """
    from torch import nn


    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3, padding=1)

        def forward(self, x):
            return self.conv(x).relu()


    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block(4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.block(x).mean((2, 3)))


    def network():
        return Tiny()


    def text():
        return "no network"
"""


class Twin(nn.Module):
    """The network of the model file, built here for its state dict."""

    def __init__(self):
        super().__init__()
        self.block = nn.Module()
        self.block.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.block.conv(x).relu().mean((2, 3)))


@pytest.fixture
def twin():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Twin().eval()


@pytest.fixture
def write(tmp_path):
    """Write a file of the test's folder, dedented."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def model_file(write):
    return write("tiny.py", TWO_CLASSES)


@pytest.fixture
def weights(tmp_path, twin):
    path = tmp_path / "tiny.pt"
    torch.save(twin.state_dict(), path)
    return path
