"""A study on disk: images, manifests and the truth beside them, and the network trained on it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from foveal.samples import encode_png
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.studies import marks, nodules, tissue
from foveal_audit.studies import network as network_module
from foveal_audit.studies.network import PatentNet
from foveal_audit.studies.nodules import OUTCOMES, PLANS, Nodule, make_study
from foveal_audit.studies.training import train_classifier

#: Mean and spread of the study's pixels, 0 to 1: the network is trained and served with this preprocessing.
MEAN, STD = 0.35, 0.15
_WRITTEN = "written.json"
#: A network that gets less than this right in training has not learned; it is begun anew, so many times.
_LEARNED, _STARTS = 0.65, 3


@dataclass(frozen=True)
class StudyFiles:
    """Where a study lies.

    Attributes
    ----------
    training, production
        Manifests with the columns path, label and site.
    made
        All images of each, in the order of the manifests.
    """

    folder: Path
    training: Path
    production: Path
    made: dict[str, list[Nodule]]


def write_study(folder: Path, study: str, plan: DemoPlan, seed: int) -> StudyFiles:
    """Make the images of a study and write them, unless they are there."""
    planted = PLANS[study]
    made = {
        "training": make_study(seed, plan.training, planted),
        "production": make_study(seed, plan.production, planted, production=True),
    }
    drawn = hashlib.sha256(
        b"".join(Path(str(part.__file__)).read_bytes() for part in (marks, nodules, tissue))
    )
    sizes = {"seed": seed, "training": plan.training, "production": plan.production}
    wanted = {**asdict(planted), **sizes, "drawn_by": drawn.hexdigest()}
    stamp = folder / _WRITTEN
    if not stamp.is_file() or json.loads(stamp.read_text()) != wanted:
        for source, own in made.items():
            _write_images(folder, source, own)
        stamp.write_text(json.dumps(wanted))
    return StudyFiles(folder, folder / "training.csv", folder / "production.csv", made)


def image_name(source: str, number: int) -> str:
    """Name an image relative to its manifest."""
    return f"{source}/{number:05d}.png"


def _write_images(folder: Path, source: str, made: Sequence[Nodule]) -> None:
    (folder / source).mkdir(parents=True, exist_ok=True)
    for number, nodule in enumerate(made):
        (folder / image_name(source, number)).write_bytes(encode_png(nodule.pixels))
    rows = ((image_name(source, number), OUTCOMES[one.outcome], one.site) for number, one in enumerate(made))
    _write_table(folder / f"{source}.csv", ("path", "label", "site"), rows)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(header)
        table.writerows(rows)


def train_network(
    files: StudyFiles, plan: DemoPlan, seed: int, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Train the patent's network on a study and keep the weights; the same study is not trained twice.

    Returns
    -------
    The file with the weights.
    """
    key = hashlib.sha256()
    for nodule in files.made["training"]:
        key.update(nodule.pixels.tobytes() + bytes([nodule.outcome]))
    key.update(Path(network_module.__file__).read_bytes() + f"{plan.epochs} {seed}".encode())
    weights = files.folder / f"weights-{key.hexdigest()[:12]}.pt"
    if not weights.is_file():
        network = _learned(files.made["training"], plan, seed, progress)
        part = weights.with_suffix(".part")
        torch.save(network.state_dict(), part)
        part.replace(weights)
    return weights


def _learned(
    made: Sequence[Nodule], plan: DemoPlan, seed: int, progress: Callable[[int, int], None] | None
) -> nn.Module:
    """Train until a start leads somewhere: now and then this kind of network stays where it began."""
    images = np.stack([one.pixels for one in made]).transpose(0, 3, 1, 2)
    scaled = ((images / np.float32(255) - MEAN) / STD).astype(np.float32)
    labels = np.array([one.outcome for one in made], dtype=np.int64)
    for start in range(_STARTS):
        chance = seed + 1000 * start
        network = train_classifier(
            PatentNet, scaled, labels, epochs=plan.epochs, seed=chance, progress=progress
        )
        if _accuracy(network, scaled, labels) >= _LEARNED:
            break
    return network


def _accuracy(network: nn.Module, images: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    batches = DataLoader(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)), batch_size=256)
    with torch.no_grad():
        right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in batches)
    return right / len(labels)
