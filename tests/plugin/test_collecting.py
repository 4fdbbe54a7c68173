"""From images on disk into the library: all or nothing first, then piece by piece, and never twice."""

from __future__ import annotations

import csv
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from foveal import collecting
from foveal.archives.model import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.library import Library, node_activations, to_entries
from foveal.samples.images import decode_image, encode_png
from foveal.samples.transform import ImageTransform

torch.set_num_threads(1)
_NUMBERS = count()


@pytest.fixture
def library(tracking_uri):
    return Library(f"collected {next(_NUMBERS)}", tracking_uri)


class Network(nn.Module):
    """Two convolutions, one hidden layer, three classes; counts the samples it was shown."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(6, 8)
        self.fc2 = nn.Linear(8, 3)
        self.shown = 0

    def forward(self, x):
        self.shown += len(x)
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.fc2(torch.relu(self.fc1(x.mean((2, 3)))))


def make_model(size=(16, 16), **config):
    torch.manual_seed(0)
    return AuditedModel(
        name="shapes",
        module=Network().eval(),
        transform=ImageTransform(size=size, channels=3, mean=(0.5,), std=(0.5,)),
        labels=("a", "b", "c"),
        config=FovealConfig.from_mapping(config, environ={}),
        sha256="f" * 64,
        source="python:test:model",
    )


@pytest.fixture
def model():
    return make_model()


def write_image(path, seed, shape=(24, 20, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)))


@pytest.fixture
def folder(tmp_path):
    """Ten images of two classes."""
    for n in range(10):
        write_image(tmp_path / "data" / ("round" if n % 2 else "square") / f"{n:02d}.png", n)
    return tmp_path / "data"


def write_manifest(folder, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


def images(folder):
    return folder.rglob("*.png")


def shown_at_setup(model):
    """Count what the model is shown to choose its layers, before any sample is seen."""
    model.module.shown = 0
    with model.observer(torch.zeros(1, 3, 16, 16)):
        setup, model.module.shown = model.module.shown, 0
    return setup


def records(library):
    return library.samples().to_pylist(), library.entries().to_pylist()


def test_a_folder_becomes_samples_and_entries(folder, library, model):
    collected = collect(model, folder, "training", library)
    table = library.samples()
    assert (collected.samples, collected.already, collected.left_out, collected.unreadable) == (10, 0, 0, ())
    assert collected.entries == len(library.entries()) > 10
    assert table["sample"].to_pylist() == sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*.png")
    )
    assert table["label"].to_pylist() == ["round"] * 5 + ["square"] * 5
    assert set(table["source"].to_pylist()) == {"training"}
    assert table["origin"][0].as_py() == str(folder / "round" / "01.png")
    assert set(table["model_sha256"].to_pylist()) == {"f" * 64}
    assert table["shape"][0].as_py() == [24, 20, 3]


def test_records_hold_what_the_model_itself_says(folder, library, model):
    collect(model, folder, "training", library, batch=3)
    table = library.samples()
    pixels = [decode_image((folder / name).read_bytes(), name) for name in table["sample"].to_pylist()]
    with torch.no_grad():
        scores = model.module(torch.stack([model.transform(image) for image in pixels]))
    np.testing.assert_allclose(np.array(table["scores"].to_pylist()), scores.numpy(), atol=1e-5)
    assert table["predicted"].to_pylist() == scores.argmax(1).tolist()
    for entry in to_entries(library.entries()):
        y0, x0, y1, x1 = entry.window
        whole = decode_image((folder / entry.sample).read_bytes(), entry.sample)
        assert (decode_image(entry.crop, "crop") == whole[y0:y1, x0:x1]).all()


def test_the_rule_is_exact_over_the_whole_data_set(folder, library, model):
    """By hand: a node is present where it lies above the 90th percentile of all ten samples."""
    collect(model, folder, "training", library, batch=3)
    values = node_activations(library.samples(), "fc1")
    present = values > np.maximum(np.percentile(values, 90, axis=0), 0)
    names = library.samples()["sample"].to_pylist()
    expected = {(names[row], f"fc1:{node}") for row, node in zip(*np.nonzero(present), strict=True)}
    entries = [entry for entry in to_entries(library.entries()) if entry.feature != "contribution"]
    assert {(entry.sample, entry.feature) for entry in entries} <= expected
    assert {entry.feature for entry in entries} == {feature for _, feature in expected}


def test_collecting_again_adds_nothing_and_shows_the_model_nothing(folder, library, model):
    collect(model, folder, "training", library)
    before = records(library)
    model.module.shown = 0
    again = collect(model, folder, "training", library)
    assert (again.samples, again.entries, again.already) == (0, 0, 10)
    assert model.module.shown == 0
    assert records(library) == before
    assert len(library.shards()) == 1


def test_only_what_is_new_is_attributed(folder, library, model):
    collect(model, folder, "training", library)
    write_image(folder / "square" / "99.png", 99)
    setup = shown_at_setup(model)
    again = collect(model, folder, "training", library)
    assert (again.samples, again.already) == (1, 10)
    assert model.module.shown == setup + 2
    assert len(library.samples()) == 11


def test_the_same_folder_may_be_collected_under_two_sources(folder, library, model):
    collect(model, folder, "training", library)
    assert collect(model, folder, "validation", library).samples == 10
    assert len(library.samples("validation")) == 10
    assert len(set(library.entries()["id"].to_pylist())) == len(library.entries())


def test_another_configuration_collects_anew_and_replaces(folder, library, model):
    collect(model, folder, "training", library)
    assert collect(make_model(window=8), folder, "training", library).samples == 10
    assert len(library.samples()) == 10
    assert len(set(library.samples()["config_sha256"].to_pylist())) == 1
    sides = {(y1 - y0, x1 - x0) for y0, x0, y1, x1 in library.entries()["window"].to_pylist()}
    assert sides == {(8, 8)}


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_run_that_is_cut_off_goes_on_and_ends_alike(folder, library, tracking_uri, monkeypatch, cut):
    monkeypatch.setattr(collecting, "_SHARD", 4)
    whole = Library(f"{library.name} whole", tracking_uri)
    collect(make_model(), folder, "training", whole, batch=3)
    calls, real = count(), Library.add

    def interrupted(self, *args):
        if next(calls) == cut:
            raise KeyboardInterrupt
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Library, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            collect(make_model(), folder, "training", library, batch=3)
    model = make_model()
    went_on = collect(model, folder, "training", library, batch=3)
    assert (went_on.already, went_on.samples) == (4 * cut, 10 - 4 * cut)
    assert records(library) == records(whole)
    assert [s["sha256"] for s in library.shards()] == [s["sha256"] for s in whole.shards()]


def test_an_unreadable_image_is_refused_before_anything_is_added(folder, library, model):
    (folder / "square" / "98.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(UsageError, match=r"Sample 'square/98\.png' cannot be read as an image"):
        collect(model, folder, "training", library)
    assert not library.exists()


def test_unreadable_images_may_be_skipped_and_are_on_record(folder, library, model):
    bad = folder / "round" / "98.png"
    bad.write_bytes(b"\x89PNG no more")
    collected = collect(model, folder, "training", library, skip_unreadable=True)
    assert (collected.samples, collected.unreadable) == (10, ("round/98.png",))
    assert library.losses() == {"unreadable": 1}
    write_image(bad, 98)
    assert collect(model, folder, "training", library, skip_unreadable=True).samples == 1
    assert library.losses() == {}


def test_nothing_but_unreadable_images(tmp_path, library, model):
    (tmp_path / "x.png").write_bytes(b"")
    collected = collect(model, tmp_path, "training", library, skip_unreadable=True)
    assert (collected.samples, collected.unreadable) == (0, ("x.png",))
    assert library.losses() == {"unreadable": 1}


def test_a_sample_that_does_not_fit_the_model_is_named(folder, library, model):
    write_image(folder / "round" / "00.png", 0, shape=(9, 9, 4))
    with pytest.raises(UsageError, match=r"Sample 'round/00\.png' has 4 channels, the model takes 3"):
        collect(model, folder, "training", library)
    assert not library.exists()


def test_rows_of_another_source_are_left_out_and_counted(folder, library, model):
    rows = [{"path": f"round/{n:02d}.png", "source": source} for n, source in ((1, "training"), (3, ""))]
    rows.append({"path": "round/05.png", "source": "production"})
    manifest = write_manifest(folder, rows)
    collected = collect(model, manifest, "training", library)
    assert (collected.samples, collected.left_out) == (2, 1)
    with pytest.raises(UsageError) as caught:
        collect(model, write_manifest(folder, rows[2:]), "training", library)
    assert str(caught.value) == (
        f"No sample of '{manifest}' comes from training. Give the --source that its manifest names."
    )


def test_metadata_is_kept_as_configured(folder, library):
    manifest = write_manifest(folder, [{"path": "round/01.png", "site": "A", "patient": "42"}])
    collect(make_model(), manifest, "training", library)
    assert library.samples()["metadata"].to_pylist() == [[("patient", "42"), ("site", "A")]]
    collect(make_model(keep={"metadata": ["site"]}), manifest, "training", library)
    assert library.samples()["metadata"].to_pylist() == [[("site", "A")]]


def test_a_corrected_label_replaces_the_old_one_even_there_and_back(folder, library, model):
    for label in ("ronud", "round", "ronud", "round"):
        manifest = write_manifest(folder, [{"path": "round/01.png", "label": label}])
        assert collect(model, manifest, "training", library).samples == 1
        assert library.samples()["label"].to_pylist() == [label]
        assert collect(model, manifest, "training", library).samples == 0
    assert len(set(library.entries()["id"].to_pylist())) == len(library.entries())


def test_samples_of_different_sizes_are_seen_at_their_own_size(tmp_path, library):
    sizes = [(24, 20), (24, 20), (16, 16), (24, 20)]
    for n, (height, width) in enumerate(sizes):
        write_image(tmp_path / f"{n}.png", n, (height, width, 3))
    assert collect(make_model(size=None), tmp_path, "production", library).samples == 4
    assert library.samples()["shape"].to_pylist() == [[h, w, 3] for h, w in sizes]


def test_a_rule_that_learns_nothing_shows_each_sample_once(folder, library):
    model = make_model(rule="nonzero")
    setup = shown_at_setup(model)
    collect(model, folder, "training", library)
    assert model.module.shown == setup + 10


def test_progress_is_told_for_both_passes(folder, library, model):
    told = []
    collect(model, folder, "training", library, lambda *state: told.append(state), batch=6)
    assert told == [("reading", 6, 10), ("reading", 10, 10), ("attributing", 6, 10), ("attributing", 10, 10)]


def test_the_model_is_given_back_as_it_was(folder, library, model):
    collect(model, folder, "training", library)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.module.modules())
