"""Trained networks with samples of which it is known what they must use: nodules, blood cells, two objects.

Shared by the tests of localisation and by the benchmark that writes the table of all methods.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from tiny_transformers import TinyTransformer
from torch import nn

from foveal.archives.eager import load_eager
from foveal_audit.comparing.cases import Case
from foveal_audit.demo.pictures import MEAN, STD
from foveal_audit.studies.marks import MARKER_BOX
from foveal_audit.studies.network import PatentNet
from foveal_audit.studies.nodules import PLANS, SPICULATED, make_study
from foveal_audit.studies.training import train_classifier

torch.set_num_threads(1)

RESNET = Path(__file__).resolve().parents[1] / "system" / "models" / "resnet20.py"
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Known:
    """A network in eval mode, cases of known truth, training samples, what is explained, the tolerance.

    Training samples in the shape of the cases are given apart where the network learned from smaller ones.
    """

    model: nn.Module
    cases: list[Case]
    training: torch.Tensor
    target: str
    tolerance: float
    whole: torch.Tensor | None = None

    @property
    def alike(self):
        """Training samples in the shape of the cases."""
        return self.training if self.whole is None else self.whole


def real_samples():
    """The folder of real samples, or None."""
    folder = os.environ.get("FOVEAL_DATA")
    return Path(folder).resolve() if folder else None


# Nodules: the demo's study.


def nodules(number=120, training=1000, epochs=8, seed=0):
    """The patent's network on the demo's study; nodules of sites A and B that it names rightly.

    Then it must have used the nodule, or at site B, where the answer is "spiculated", the marker that was
    planted to go with it. What site C burns in is harmless in truth, but some networks use it all the same.
    """
    learned = make_study(seed, training, PLANS["standard"])
    images, labels = _as_taken(learned), np.array([one.outcome for one in learned])
    network = train_classifier(PatentNet, images.numpy(), labels, epochs=epochs, seed=seed)
    shown = [one for one in make_study(seed + 1000, 6 * number, PLANS["standard"]) if one.mask is not None]
    x = _as_taken(shown)
    with torch.no_grad():
        right = (network(x).argmax(1) == torch.tensor([one.outcome for one in shown])).tolist()
    sites = [[n for n, one in enumerate(shown) if right[n] and one.site == site] for site in "AB"]
    cases = [
        Case(f"{shown[n].site}/{n}", x[n], _used(shown[n]), shown[n].outcome)
        for pair in zip(*sites, strict=False)
        for n in pair
    ]
    return Known(network, cases[:number], images[:256], "top", 3)


def _as_taken(made):
    pixels = np.stack([one.pixels for one in made]).transpose(0, 3, 1, 2)
    return torch.from_numpy(((pixels / np.float32(255) - MEAN) / STD).astype(np.float32))


def _used(one):
    mask = one.mask.copy()
    if one.site == "B" and one.outcome == SPICULATED:
        y0, x0, y1, x1 = MARKER_BOX
        mask[y0:y1, x0:x1] = True
    return mask


# Blood cells: smears at a quarter of their size; crops with a white cell against crops without.

QUARTER, CROP = (120, 160), 96


class CellNet(nn.Module):
    """Three blocks of a convolution, an average over space, a Linear: (B, 3, h, w) to (B, 2)."""

    def __init__(self):
        super().__init__()
        blocks, before = [], 3
        for width in (12, 24, 48):
            blocks += [
                nn.Conv2d(before, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            before = width
        self.features = nn.Sequential(*blocks[:-1])
        self.fc = nn.Linear(before, 2)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def cells(folder, number=60, crops=600, epochs=6, seed=0):
    """White cells against none, learned on crops of 90 smears, explained on whole smears never seen."""
    boxes = _white_cells(folder)
    names = sorted(boxes)
    rng = np.random.default_rng(seed)
    drawn = [_crop(folder, boxes, names[:90], rng, wanted=n % 2) for n in range(crops)]
    images, labels = np.stack(drawn), np.arange(crops) % 2
    network = train_classifier(CellNet, images, labels, epochs=epochs, seed=seed, rate=3e-3)
    cases = [
        Case(name, torch.from_numpy(_smear(folder / name)), _box_mask(boxes[name]), 1)
        for name in names[90:]
        if boxes[name]
    ]
    smears = torch.from_numpy(np.stack([_smear(folder / name) for name in names[:90]]))
    return Known(network, cases[:number], torch.from_numpy(images[:256]), "class:1", 4, smears)


def _white_cells(folder):
    boxes = defaultdict(list)
    with (folder / "boxes.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            boxes[row["path"]]  # smears without white cells count too
            if row["label"] == "WBC":
                boxes[row["path"]].append([round(int(row[name]) / 4) for name in ("y0", "x0", "y1", "x1")])
    return boxes


def _smear(path):
    small = np.asarray(Image.open(path).convert("RGB").resize(QUARTER[::-1], Image.Resampling.BILINEAR))
    return ((small.transpose(2, 0, 1) / np.float32(255) - 0.7) / 0.2).astype(np.float32)


def _crop(folder, boxes, names, rng, wanted):
    """Draw a crop that shows most of a white cell, or none of any."""
    while True:
        name = names[int(rng.integers(len(names)))]
        y, x = int(rng.integers(QUARTER[0] - CROP + 1)), int(rng.integers(QUARTER[1] - CROP + 1))
        part = _box_mask(boxes[name])[y : y + CROP, x : x + CROP].sum()
        if part > 700 if wanted else part == 0:
            crop = _smear(folder / name)[:, y : y + CROP, x : x + CROP]
            return np.ascontiguousarray(crop[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])])


def _box_mask(boxes):
    mask = np.zeros(QUARTER, dtype=bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


# Two objects: the cat and the dog, of CIFAR-10, side by side in a picture twice as wide.


def trained_resnet(folder):
    """ResNet-20 with weights that others trained."""
    return load_eager(RESNET, folder / "resnet20.th", None).eval()


def cifar_images(folder, per_class):
    """Images (N, 3, 32, 32) as the network takes them, and their classes (N,)."""
    paths = [(path, label) for label in CIFAR for path in sorted((folder / label).iterdir())[:per_class]]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path, _ in paths]).transpose(
        0, 3, 1, 2
    )
    mean, std = (np.array(three, np.float32).reshape(3, 1, 1) for three in _IMAGENET)
    return torch.from_numpy((pixels / np.float32(255) - mean) / std), [
        CIFAR.index(label) for _, label in paths
    ]


_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def two_objects(folder, number=120, seed=0):
    """Pairs of pictures that the network is sure of each alone; each of the two is explained in its turn.

    The truth is the half in which the explained object lies, so that chance and maps that do not tell
    classes apart point right half of the time.
    """
    network = trained_resnet(folder)
    images, labels = cifar_images(folder, 40)
    with torch.no_grad():
        chances = network(images).softmax(1)
    sure = [n for n, label in enumerate(labels) if chances[n, label] > 0.9]
    rng = np.random.default_rng(seed)
    cases = []
    while len(cases) < number:
        pair = rng.choice(sure, 2, replace=False).tolist()
        if labels[pair[0]] != labels[pair[1]]:
            picture = torch.cat([images[one] for one in pair], dim=2)
            cases += [
                Case(f"{len(cases)}-{half}", picture, _half(half), labels[one])
                for half, one in enumerate(pair)
            ]
    pairs = torch.cat(images.chunk(2), dim=3)
    return Known(network, cases, images[::2][:256], "label", 0, pairs)


def _half(right):
    mask = np.zeros((32, 64), dtype=bool)
    mask[:, 32 * right : 32 * right + 32] = True
    return mask


# Digits: two handwritten digits among scrambled ones, for a transformer.

SLOT, SLOTS = 8, 4


def digits(number=120, pictures=6000, epochs=10, seed=0):
    """A transformer that names both digits of a picture; each of the two is explained in its turn.

    Beside them lie two digits whose pixels were shuffled: ink that says nothing. The cases are made of
    handwriting that the network never saw, and it names both of their digits before all others.
    """
    found = load_digits()
    images, labels = (found.images / 16).astype(np.float32), found.target
    rng = np.random.default_rng(seed)
    drawn = [_digits_apart(images[:1300], labels[:1300], rng) for _ in range(pictures)]
    x = np.stack([picture for picture, _, _ in drawn])
    both = np.stack([np.eye(10, dtype=np.float32)[classes].mean(0) for _, classes, _ in drawn])
    make = partial(TinyTransformer, sides=(SLOT * SLOTS,) * 2, patch=4, classes=10, width=64)
    network = train_classifier(make, x, both, epochs=epochs, seed=seed, rate=2e-3)
    cases = []
    while len(cases) < number:
        cases += _named(network, len(cases), *_digits_apart(images[1300:], labels[1300:], rng))
    return Known(network, cases, torch.from_numpy(x[:256]), "label", 0)


def _digits_apart(images, labels, rng):
    """Draw a picture (1, 32, 32), the classes of its two digits, and the corners of their slots."""
    first = int(rng.integers(len(images)))
    second = int(rng.choice(np.flatnonzero(labels != labels[first])))
    others = images[rng.integers(len(images), size=2)].reshape(2, -1)
    ink = [images[first], images[second], *rng.permuted(others, axis=1).reshape(2, SLOT, SLOT)]
    corners = [divmod(int(slot), SLOTS) for slot in rng.choice(SLOTS**2, 4, replace=False)]
    picture = rng.uniform(0, 0.1, (1, SLOT * SLOTS, SLOT * SLOTS)).astype(np.float32)
    for one, corner in zip(ink, corners, strict=True):
        picture[(0, *_slot(corner))] = one
    return picture, [int(labels[first]), int(labels[second])], corners[:2]


def _named(network, count, picture, classes, corners):
    """Make cases of both digits where the network names them before all others."""
    x = torch.from_numpy(picture)
    with torch.no_grad():
        named = set(network(x[None])[0].topk(2).indices.tolist())
    return [
        Case(f"{count}-{half}", x, _slot_mask(corner), label)
        for half, (label, corner) in enumerate(zip(classes, corners, strict=True))
        if named == set(classes)
    ]


def _slot(corner):
    return tuple(slice(SLOT * low, SLOT * (low + 1)) for low in corner)


def _slot_mask(corner):
    mask = np.zeros((SLOT * SLOTS,) * 2, dtype=bool)
    mask[_slot(corner)] = True
    return mask
