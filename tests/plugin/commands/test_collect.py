"""`foveal collect` as it is typed."""

from __future__ import annotations

import json
import sys
from itertools import count

import numpy as np
import pytest
from typer.testing import CliRunner

from foveal import collecting
from foveal.cli import build_app
from foveal.library import Library
from foveal.samples.images import encode_png

MODEL = """
import torch
from torch import nn

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples.transform import ImageTransform

torch.set_num_threads(1)


def model():
    torch.manual_seed(0)
    seen = (nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(*seen, nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    config = FovealConfig.from_mapping({}, environ={})
    transform = ImageTransform(size=(16, 16), channels=3, mean=(0.5,), std=(0.5,))
    return AuditedModel("NAME", network, transform, ("a", "b"), config, "f" * 64, "here")
"""
_NUMBERS = count()


@pytest.fixture
def name():
    return f"commanded {next(_NUMBERS)}"


@pytest.fixture
def run(tmp_path, monkeypatch, tracking_uri, name):
    """Run the command on three images, in a folder with the model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    (tmp_path / "collected_model.py").write_text(MODEL.replace("NAME", name))
    monkeypatch.delitem(sys.modules, "collected_model", raising=False)
    (tmp_path / "data").mkdir()
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 255, (20, 20, 3), dtype=np.uint8)
        (tmp_path / "data" / f"{n}.png").write_bytes(encode_png(pixels))

    def run(*options):
        command = ["collect", "python:collected_model:model", "data", *options]
        return CliRunner().invoke(build_app(), command)

    return run


def test_the_library_is_named_after_the_model(run, name):
    done = run("--source", "training")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("3 training samples with ")
    assert lines[0].endswith(f" entries are new in library '{name}'.")
    assert lines[-1].startswith(f"See: foveal library show {name}, or ")
    assert len(Library(name).samples("training")) == 3
    assert run("--source", "training").stdout.splitlines()[1] == "3 were in it already."


def test_json_is_one_object_on_stdout_and_progress_on_stderr(run, name):
    done = run("--source", "production", "--library", f"{name} other", "--json", "--batch", "2")
    report = json.loads(done.stdout)
    library = Library(f"{name} other")
    assert (report["library"], report["source"], report["samples"]) == (library.name, "production", 3)
    assert (report["already"], report["left_out"], report["unreadable"]) == (0, 0, [])
    assert (report["run_id"], report["url"]) == (library.run_id, library.url)
    assert report["entries"] == len(library.entries())
    assert done.stderr.splitlines()[-4:] == [
        "reading 2/3",
        "reading 3/3",
        "attributing 2/3",
        "attributing 3/3",
    ]


def test_unreadable_images_are_refused_or_skipped(run, tmp_path, name):
    (tmp_path / "data" / "9.png").write_bytes(b"nothing")
    refused = run("--source", "training")
    assert refused.exit_code == 2
    assert "Sample '9.png' cannot be read as an image" in refused.stderr
    assert not Library(name).exists()
    skipped = run("--source", "training", "--skip-unreadable")
    assert skipped.exit_code == 0
    assert skipped.stdout.splitlines()[1:3] == ["1 cannot be read and are left out.", "  9.png"]


def test_a_wrong_source_is_refused(run):
    done = run("--source", "train")
    assert done.exit_code == 2
    assert "foveal: error: Unknown --source 'train'. Did you mean 'training'" in done.stderr


def test_the_source_must_be_given(run):
    assert run().exit_code == 2


def test_a_server_that_is_down_is_noticed_before_the_work(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(collecting, "list_samples", lambda data: pytest.fail("the work began"))
    done = run("--source", "training")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == (
        "foveal: error: MLflow at http://127.0.0.1:9 does not answer. "
        "Start it, or set MLFLOW_TRACKING_URI to one that runs."
    )


def test_an_interrupted_run_can_be_continued(run, monkeypatch, name):
    real = Library.add

    def interrupted(self, observations, shard):
        real(self, observations, shard)
        raise KeyboardInterrupt

    monkeypatch.setattr(collecting, "_SHARD", 2)
    with monkeypatch.context() as patch:
        patch.setattr(Library, "add", interrupted)
        done = run("--source", "training")
    assert done.exit_code == 4
    assert "What was collected so far is in the library. Run the same again to go on." in done.stderr
    assert len(Library(name).samples()) == 2
    assert run("--source", "training", "--json").exit_code == 0
    assert len(Library(name).samples()) == 3


def test_large_images_by_tiles(run, tmp_path, name):
    pixels = np.random.default_rng(9).integers(0, 255, (70, 40, 3), dtype=np.uint8)
    pixels[30:, :] = 255
    (tmp_path / "data" / "slide.png").write_bytes(encode_png(pixels))
    done = run("--source", "training", "--tile", "20", "--overlap", "4")
    assert done.exit_code == 0, done.output
    samples = Library(name).samples("training")["sample"].to_pylist()
    starts = [(top, left) for top in (0, 12, 25) for left in (0, 10, 20)]
    tiles = [f"slide.png/{top}-{left}-{top + 20}-{left + 20}.npy" for top, left in starts]
    assert samples == ["0.png", "1.png", "2.png", *tiles]
    assert done.stdout.splitlines()[0].startswith("12 training samples with ")
    assert done.stdout.splitlines()[1:3] == [
        "6 tiles are empty and left out.",
        "10 pixels at most are in several tiles: each has entries of what lies there.",
    ]
    report = json.loads(run("--source", "training", "--tile", "20", "--overlap", "4", "--json").stdout)
    assert (report["already"], report["empty_tiles"], report["shared"]) == (12, 6, 10)


def test_tiles_that_cannot_be(run):
    done = run("--source", "training", "--overlap", "4")
    assert done.exit_code == 2
    assert "--overlap 4 has no tiles. Name the side of a tile: --tile." in done.stderr
    done = run("--source", "training", "--tile", "4", "--overlap", "4")
    assert done.exit_code == 2
    assert "Tiles of 4 cannot share 4. Give an overlap from 0 to 3." in done.stderr
