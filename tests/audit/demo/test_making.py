"""A study on disk: written once, trained once."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from foveal.samples import read_image
from foveal.samples.listing import list_samples
from foveal_audit.demo import learning, making, pictures
from foveal_audit.demo.making import train_network, write_study
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.settings import QUICK

PLAN = DemoPlan(training=6, production=4, epochs=1, audit=QUICK)


@pytest.fixture
def files(tmp_path):
    return write_study(tmp_path, PICTURE, "standard", PLAN, 0)


def state(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()
    }


def test_images_manifests_and_truth_agree(files):
    for source, manifest in (("training", files.training), ("production", files.production)):
        with manifest.open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == len(files.made[source]) == getattr(PLAN, source)
        for number, (row, nodule) in enumerate(zip(rows, files.made[source], strict=True)):
            assert row["path"] == files.name(source, number)
            assert row["label"] == pictures.OUTCOMES[nodule.outcome]
            assert row["site"] == nodule.site
            np.testing.assert_array_equal(read_image(files.folder / row["path"]), nodule.pixels)
        assert [one.metadata["site"] for one in list_samples(manifest)] == [row["site"] for row in rows]


def test_writing_again_writes_nothing(files, tmp_path):
    before = state(tmp_path)
    again = write_study(tmp_path, PICTURE, "standard", PLAN, 0)
    assert state(tmp_path) == before
    assert [one.site for one in again.made["training"]] == [one.site for one in files.made["training"]]


@pytest.mark.parametrize(
    ("study", "plan", "seed"),
    [("null", PLAN, 0), ("standard", replace(PLAN, training=7), 0), ("standard", PLAN, 1)],
)
def test_another_study_is_written_anew(files, tmp_path, study, plan, seed):
    before = state(tmp_path)
    write_study(tmp_path, PICTURE, study, plan, seed)
    assert state(tmp_path) != before


def test_a_study_that_was_cut_off_is_written_anew(tmp_path, monkeypatch):
    calls = []

    def cut_off(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(making, "_write_samples", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write_study(tmp_path, PICTURE, "standard", PLAN, 0)
    monkeypatch.undo()
    write_study(tmp_path, PICTURE, "standard", PLAN, 0)
    assert len(list(tmp_path.glob("*/*.png"))) == 10


class Small(nn.Module):
    """Stands in for the patent's network."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 5)

    def forward(self, x):
        return self.layer(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


@pytest.fixture
def trained(monkeypatch):
    """Train a network that takes no time, and count how often."""
    monkeypatch.setattr(pictures, "PatentNet", Small)
    monkeypatch.setattr(pictures, "_LEARNED", 0.0)
    calls, train = [], learning.train_classifier
    monkeypatch.setattr(
        learning, "train_classifier", lambda *a, **k: calls.append(k["seed"]) or train(*a, **k)
    )
    return calls


def test_the_same_study_is_not_trained_twice(files, trained):
    first, again = (train_network(files, PLAN, 0) for _ in range(2))
    assert first == again
    assert trained == [0]
    assert torch.load(first, weights_only=True)["layer.weight"].shape == (5, 4)
    assert not list(files.folder.glob("*.part"))


def test_another_seed_length_or_study_is_trained_anew(files, trained, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_study(tmp_path / "other", PICTURE, "standard", PLAN, 3)
    weights = {
        train_network(files, PLAN, 0).name,
        train_network(files, PLAN, 1).name,
        train_network(files, replace(PLAN, epochs=2), 0).name,
        train_network(other, PLAN, 0).name,
    }
    assert len(weights) == len(trained) == 4


def test_training_that_was_cut_off_leaves_no_weights(files, trained, monkeypatch):
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_network(files, PLAN, 0)
    assert not list(files.folder.glob("*.pt"))


def test_a_network_that_does_not_learn_is_begun_anew(files, trained, monkeypatch):
    monkeypatch.setattr(pictures, "_LEARNED", 2.0)
    train_network(files, PLAN, 5)
    assert trained == [5, 1005, 2005]
