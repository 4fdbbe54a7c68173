"""A real library read column by column."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np
import planted
import pytest
from ready_stores import ready_store
from synthetic_library import make_samples, make_windows, noise_crop

from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.library import Library
from foveal_audit.windows import read_evidence


@pytest.fixture(scope="module")
def evidence(planted_library):
    return read_evidence(planted_library, planted.model().sha256)


def test_samples_are_those_of_the_library(evidence, planted_library):
    samples = evidence.samples
    table = sorted(
        planted_library.samples().to_pylist(), key=itemgetter("source", "sample_sha256", "sample", "row")
    )
    assert samples.names.tolist() == [row["sample"] for row in table]
    assert samples.predicted.tolist() == [row["predicted"] for row in table]
    assert samples.labels.tolist() == [row["label"] for row in table]
    assert samples.shapes[0] == (24, 24, 1)
    assert set(samples.metadata) == {"site"}
    assert samples.metadata["site"].tolist() == [dict(row["metadata"])["site"] for row in table]
    assert (samples.of("training").sum(), samples.of("production").sum()) == (200, 60)
    for layer, values in evidence.activations.items():
        expected = [dict(row["activations"])[layer] for row in table]
        np.testing.assert_array_equal(values, np.array(expected, dtype=np.float32))


def test_windows_belong_to_their_samples(evidence, planted_library):
    known = {row["id"]: row for row in planted_library.entries(units=False).to_pylist()}
    every = [evidence.contribution, *evidence.nodes.values()]
    assert sum(map(len, every)) == len(known)
    for windows in every:
        for row in range(0, len(windows), 7):
            entry = known[windows.ids[row]]
            assert evidence.samples.names[windows.owner[row]] == entry["sample"]
            assert evidence.samples.sources[windows.owner[row]] == entry["source"]
            assert windows.boxes[row].tolist() == entry["window"]
            assert windows.maps[row].ravel().tolist() == entry["map"]
            y0, x0, y1, x1 = entry["window"]
            assert windows.crop(row).shape == (y1 - y0, x1 - x0, 1)
    assert {known[one]["feature"] for one in evidence.contribution.ids} == {"contribution"}
    assert evidence.contribution.vectors.shape[1] == 3
    for name, windows in evidence.nodes.items():
        assert {known[one]["feature"] for one in windows.ids} == {name}


def test_units_of_an_earlier_audit_change_nothing(evidence, planted_library):
    earlier = dict.fromkeys(evidence.contribution.ids.tolist(), "contribution:0")
    planted_library.assign(earlier, "0" * 16)
    again = read_evidence(planted_library, planted.model().sha256)
    assert again.contribution.ids.tolist() == evidence.contribution.ids.tolist()
    assert list(again.nodes) == list(evidence.nodes)


def test_an_unknown_model_is_refused(planted_library):
    with pytest.raises(UsageError) as caught:
        read_evidence(planted_library, "e" * 64)
    assert str(caught.value.fault) == (
        "Library 'planted' holds nothing about model eeeeeeeeeeee (it knows ffffffffffff)"
    )
    assert caught.value.mend == (
        "Collect samples with the model to audit: foveal collect MODEL DATA --source training"
    )


def test_a_library_without_training_samples_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    library = Library("served", ready_store(tmp_path / "mlflow.db"))
    data = planted.write_images(tmp_path, "production", 3, 0)
    collect(planted.model(), data, "production", library)
    with pytest.raises(UsageError) as caught:
        read_evidence(library, planted.model().sha256)
    assert caught.value.fault == "Library 'served' holds no training samples of model ffffffffffff"
    assert caught.value.mend == "Add them: foveal collect MODEL DATA --source training --library served"


def test_outcomes_are_the_truth_where_all_training_samples_have_one():
    sources = ["training", "training", "production"]
    labelled = make_samples(sources, predicted=[4, 4, 5], labels=["b", "a", ""])
    assert labelled.outcomes.tolist() == [2, 1, 0]
    assert make_samples(sources, predicted=[4, 4, 5], labels=["b", "", "a"]).outcomes.tolist() == [4, 4, 5]


def test_what_was_computed_goes_along_when_windows_are_taken(monkeypatch):
    rng = np.random.default_rng(0)
    windows = make_windows([noise_crop(rng) for _ in range(6)], vectors=rng.normal(size=(6, 3)))
    images, gradients, detail = windows.images, windows.gradients, windows.detail
    monkeypatch.setattr(type(windows), "crop", lambda *_: pytest.fail("decoded again"))
    for rows in (np.array([4, 1]), np.arange(6) % 2 == 0):
        part = windows.take(rows)
        np.testing.assert_array_equal(part.images, images[rows])
        np.testing.assert_array_equal(part.gradients, gradients[rows])
        np.testing.assert_array_equal(part.detail, detail[rows])
        np.testing.assert_array_equal(part.vectors, windows.vectors[rows])
        assert part.ids.tolist() == windows.ids[rows].tolist()
        assert len(part) == len(part.owner)
    assert len(windows) == 6


@pytest.mark.parametrize(("channels", "found"), [((1, 1), 1), ((3, 3), 3), ((1, 3), 1), ((4, 3, 1), 1)])
def test_crops_of_mixed_channels_are_compared_in_grey(channels, found):
    rng = np.random.default_rng(1)
    windows = make_windows([noise_crop(rng, 16, number) for number in channels])
    assert windows.images.shape == (len(channels), found, 32, 32)
    assert windows.gradients.shape == (len(channels), 128)


def test_centres_are_shares_of_the_sample():
    samples = make_samples(["training"] * 2, shape=(50, 100, 1))
    windows = make_windows(
        [noise_crop(np.random.default_rng(0))] * 2, boxes=[[0, 0, 10, 20], [40, 90, 50, 100]]
    )
    assert windows.centres(samples).tolist() == [[0.1, 0.1], [0.9, 0.95]]


def test_samples_observed_under_other_settings_are_left_out_and_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    library = Library("planted", ready_store(tmp_path / "mlflow.db"))
    model = planted.model()
    coarse = replace(model, config=FovealConfig.from_mapping({"max_windows": 1}, {}))
    collect(model, planted.write_images(tmp_path, "training", 12, 0), "training", library)
    collect(coarse, planted.write_images(tmp_path, "production", 5, 1), "production", library)
    read = read_evidence(library, model.sha256)
    assert set(read.samples.sources.tolist()) == {"training"}
    assert read.left_out == 5
