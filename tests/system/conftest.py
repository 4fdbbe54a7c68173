"""Real parts: images and weights made by others, TorchServe, MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ready_stores import ready_store

from foveal import Library
from foveal.archives import load_model
from foveal.archives.pack import pack
from foveal.collecting import collect
from foveal.library.connection import quiet
from foveal_audit.auditing import audit
from foveal_audit.demo.comparing import compare
from foveal_audit.demo.making import train_network, write_study
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.running import pack_demo
from foveal_audit.reproducible import one_thread

torch.set_num_threads(1)

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MODEL_FILE = Path(__file__).parent / "models" / "resnet20.py"


@pytest.fixture(scope="session")
def data():
    """The folder of real samples. They are no part of the project: who has none is told what was left out."""
    folder = os.environ.get("FOVEAL_DATA")
    if not folder:
        pytest.skip("Set FOVEAL_DATA to the folder with the real samples")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def models():
    """The folder of the model files that these tests pack."""
    return Path(__file__).parent / "models"


@pytest.fixture(scope="session")
def typed():
    """Type a command of Foveal in a folder that holds its library too; give what it printed."""

    def run(folder, *words, code=0, **variables):
        environ = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "FOVEAL_CACHE_DIR": str(folder / "cache"),
            "MLFLOW_TRACKING_URI": ready_store(folder / "mlflow.db"),
            **variables,
        }
        command = [Path(sys.executable).with_name("foveal"), *map(str, words)]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def audited(typed):
    """Type a quick audit; worker processes, which import all anew, and the PDF have tests of their own."""
    return lambda folder, archive, *words, **others: typed(
        folder, "audit", archive, "-o", "bundle", "--quick", "--no-pdf", "--jobs", 1, *words, **others
    )


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


@pytest.fixture(scope="session")
def compare_study():
    """Run a demo study without its servers, which other tests run, and compare with what was planted."""

    def compared(folder, study, seed, plan):
        quiet()
        with one_thread():
            files = write_study(folder / "data", PICTURE, study, plan, seed)
            model = load_model(str(pack_demo(folder, PICTURE, train_network(files, plan, seed))))
            library = Library("nodules", ready_store(folder / "mlflow.db"))
            collect(model, files.training, "training", library)
            collect(model, files.production, "production", library)
            findings = audit(model, library, replace(plan.audit, generators=0)).result.findings
        return compare(findings, files.truth("training") | files.truth("production"), PICTURE)

    return compared
