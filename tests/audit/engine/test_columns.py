"""Evidence in columns on the disk is the evidence that was read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import planted
import pytest
from placed_samples import SOUND_RATE, model_of, write_placed
from ready_stores import ready_store
from synthetic_library import make_samples, make_windows, noise_crop

from foveal.collecting import collect
from foveal.library import Library
from foveal_audit.engine.columns import (
    open_evidence,
    open_windows,
    read_split,
    with_looks,
    write_looks,
    write_windows,
)
from foveal_audit.engine.reading import write_evidence
from foveal_audit.examining import Split
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import EvidenceReader, Windows, read_evidence


def same(one, other):
    for name in ("ids", "owner", "boxes", "activation", "share", "vectors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype.kind == getattr(other, name).dtype.kind
    assert one.layer == other.layer
    assert [one.crops[row] for row in range(len(one))] == [other.crops[row] for row in range(len(one))]
    for row in range(len(one)):
        np.testing.assert_array_equal(one.maps[row], other.maps[row])


def test_a_library_is_read_back_without_a_difference(planted_library, tmp_path):
    told = []
    sha256 = planted.model().sha256
    write_evidence(planted_library, sha256, AuditSettings(), tmp_path, lambda *words: told.append(words))
    whole, read = read_evidence(planted_library, sha256), open_evidence(tmp_path)
    for name in ("names", "sources", "labels", "predicted"):
        np.testing.assert_array_equal(getattr(read.samples, name), getattr(whole.samples, name))
    for name in ("origins", "sha256", "shapes"):
        assert getattr(read.samples, name) == getattr(whole.samples, name)
    assert {key: values.tolist() for key, values in read.samples.metadata.items()} == {
        key: values.tolist() for key, values in whole.samples.metadata.items()
    }
    assert read.samples.spacings is whole.samples.spacings is None
    assert read.counts == whole.counts
    for name in whole.counts:
        same(read.of(name), whole.of(name))
    for layer, values in whole.activations.items():
        np.testing.assert_array_equal(read.activations[layer], values)
    total = sum(whole.counts.values())
    assert told[0] == ("reading the library", 0, total)
    assert told[-1] == ("reading the library", total, total)


def test_places_of_a_sound_are_read_back(tmp_path):
    """Size of steps and frequencies; nothing is written where nobody knows them."""
    model, library = model_of("sound"), Library("places", ready_store(tmp_path / "mlflow.db"))
    for folder in ("data", "kept"):
        (tmp_path / folder).mkdir()
    write_placed("sound", tmp_path / "data", 2)
    collect(model, tmp_path / "data", "training", library)
    write_evidence(library, model.sha256, AuditSettings(), tmp_path / "kept", lambda *_: None)
    whole, read = read_evidence(library, model.sha256), open_evidence(tmp_path / "kept")
    assert read.samples.spacing(0) == (1 / SOUND_RATE,)
    np.testing.assert_array_equal(read.samples.spacings, whole.samples.spacings)
    for name in whole.counts:
        assert not np.isnan(read.of(name).bands).any()
        np.testing.assert_array_equal(read.of(name).bands, whole.of(name).bands)


def test_crops_of_what_is_not_examined_stay_in_the_library(planted_library, tmp_path):
    sha256 = planted.model().sha256
    write_evidence(planted_library, sha256, AuditSettings(nodes=1), tmp_path, lambda *_: None)
    whole, read = read_evidence(planted_library, sha256), open_evidence(tmp_path)
    ranked = sorted(whole.nodes, key=lambda name: (-len(whole.nodes[name]), name))
    same(read.nodes[ranked[0]], whole.nodes[ranked[0]])
    for name in ranked[1:]:
        np.testing.assert_array_equal(read.nodes[name].owner, whole.nodes[name].owner)
        assert len(read.nodes[name].crops) == 0


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_pieces_make_the_whole(planted_library, size):
    reader = EvidenceReader(planted_library, planted.model().sha256)
    whole, pieces = reader.windows("contribution"), list(reader.pieces("contribution", size=size))
    assert max(map(len, pieces)) <= size
    np.testing.assert_array_equal(np.concatenate([piece.ids for piece in pieces]), whole.ids)
    np.testing.assert_array_equal(np.concatenate([piece.vectors for piece in pieces]), whole.vectors)
    assert [piece.crops[row] for piece in pieces for row in range(len(piece))] == [
        whole.crops[row] for row in range(len(whole))
    ]


def split_up(windows, *places) -> Iterator[Windows]:
    for rows in np.split(np.arange(len(windows)), places):
        yield windows.take(rows)


def test_windows_come_back_in_order_and_stay_on_the_disk(tmp_path):
    rng = np.random.default_rng(0)
    windows = make_windows([noise_crop(rng, side) for side in range(8, 15)], vectors=rng.normal(size=(7, 3)))
    assert write_windows(split_up(windows, 2, 6), tmp_path / "own") == 7
    read = open_windows(tmp_path / "own")
    same(read, windows)
    assert isinstance(read.vectors.base, np.memmap)
    assert isinstance(read.crops.values, np.memmap)


def test_no_windows_at_all(tmp_path):
    assert write_windows(iter([]), tmp_path / "none") == 0
    read = open_windows(tmp_path / "none")
    assert (len(read), read.layer, read.vectors.shape, read.boxes.shape) == (0, "", (0, 0), (0, 4))
    assert read.images.shape == (0, 1, 32, 32)
    assert read.gradients.shape == (0, 128)
    assert read.detail.shape == (0, 32, 32)
    assert read.centres(make_samples(["training"])).shape == (0, 2)


def test_looks_are_not_computed_again(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    windows = make_windows([noise_crop(rng) for _ in range(5)])
    split = Split(np.array([0, 1, 0, 0, 1]), ((2, 0), (1,)))
    write_looks(windows, split, tmp_path)
    kept = {name: np.array(getattr(windows, name)) for name in ("images", "gradients", "detail")}
    monkeypatch.setattr(Windows, "crop", lambda *_: pytest.fail("decoded again"))
    fresh = make_windows([noise_crop(rng) for _ in range(5)])
    told = with_looks(fresh, tmp_path)
    for name, values in kept.items():
        np.testing.assert_array_equal(getattr(told, name), values)
        assert name not in vars(fresh)
    read = read_split(tmp_path)
    assert (read.labels.tolist(), read.channels, read.parts) == ([0, 1, 0, 0, 1], split.channels, 2)
