"""A study on disk: samples, manifests and the truth beside them, and the network trained on it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic

import torch

from foveal_audit.demo.plan import DemoPlan
from foveal_audit.demo.study import DemoStudy, Progress, T

_WRITTEN = "written.json"


@dataclass(frozen=True)
class StudyFiles(Generic[T]):
    """Where a study lies.

    Attributes
    ----------
    study
        The row of the table that it was made from.
    training, production
        Manifests with the columns path, label and the study's own.
    made
        All samples of each, in the order of the manifests.
    """

    study: DemoStudy[T]
    folder: Path
    training: Path
    production: Path
    made: dict[str, list[T]]

    def name(self, source: str, number: int) -> str:
        """Name a sample relative to its manifest."""
        return f"{source}/{number:05d}{self.study.suffix}"

    def truth(self, source: str) -> dict[str, T]:
        """Give every sample of a source by its name."""
        return {self.name(source, number): one for number, one in enumerate(self.made[source])}


def write_study(folder: Path, study: DemoStudy[T], variant: str, plan: DemoPlan, seed: int) -> StudyFiles[T]:
    """Make the samples of a study, ``standard`` or ``null``, and write them, unless they are there."""
    sizes = {"training": plan.training, "production": plan.production}
    made = {
        source: study.make(variant, seed, number, production=source == "production")
        for source, number in sizes.items()
    }
    files = StudyFiles(study, folder, folder / "training.csv", folder / "production.csv", made)
    wanted = {"study": variant, "seed": seed, **sizes, "drawn_by": _sha256(study.drawn_by)}
    stamp = folder / _WRITTEN
    if not stamp.is_file() or json.loads(stamp.read_text()) != wanted:
        for source in sizes:
            _write_samples(files, source)
        stamp.write_text(json.dumps(wanted))
    return files


def _sha256(modules: Sequence[ModuleType]) -> str:
    """Hash the code of modules."""
    return hashlib.sha256(b"".join(Path(str(one.__file__)).read_bytes() for one in modules)).hexdigest()


def _write_samples(files: StudyFiles[T], source: str) -> None:
    study, rows = files.study, []
    (files.folder / source).mkdir(parents=True, exist_ok=True)
    for name, one in files.truth(source).items():
        (files.folder / name).write_bytes(study.encode(one))
        told = study.planted(one)
        rows.append((name, study.labels[told.label], told.site))
    _write_table(files.folder / f"{source}.csv", ("path", "label", study.column), rows)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(header)
        table.writerows(rows)


def train_network(files: StudyFiles[T], plan: DemoPlan, seed: int, progress: Progress | None = None) -> Path:
    """Train a study's network and keep the weights; the same study is not trained twice.

    Returns
    -------
    The file with the weights.
    """
    study, key = files.study, hashlib.sha256()
    for one in map(study.planted, files.made["training"]):
        key.update(one.values.tobytes() + bytes([one.label]))
    for module in study.learned_by:
        key.update(Path(str(module.__file__)).read_bytes())
    key.update(f"{plan.epochs} {seed}".encode())
    weights = files.folder / f"weights-{key.hexdigest()[:12]}.pt"
    if not weights.is_file():
        network = study.learn(files.made["training"], plan, seed, progress)
        part = weights.with_suffix(".part")
        torch.save(network.state_dict(), part)
        part.replace(weights)
    return weights
