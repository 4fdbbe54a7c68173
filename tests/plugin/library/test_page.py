"""A library's page in MLflow: its gallery and its note."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from foveal.library import gallery
from foveal.library.gallery import CROPS, FEATURES, newest
from foveal.library.page import GALLERY, plain
from foveal.samples import encode_png
from foveal.samples.legend import PAPER


@pytest.fixture
def shown(observe):
    """Make an observation whose entries show a picture of one grey value, with a given activation."""

    def make(name, grey, activation, features=("contribution",), side=16, **fields):
        seen = observe(name, features, sample_sha256=f"{name:>064}", **fields)
        picture = encode_png(np.full((side, side, 1), grey, np.uint8))
        entries = [replace(entry, crop=picture, activation=activation) for entry in seen.entries]
        return replace(seen, entries=tuple(entries))

    return make


def note(library):
    return MlflowClient(library.tracking_uri).get_run(library.run_id).data.tags["mlflow.note.content"]


def sheet(library):
    return library.tracking.read(GALLERY)


def tiles(png, feature=0):
    """Read the grey values of a row's tiles: whatever is one colour for as long as a tile is wide."""
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    line = pixels[29 + feature * (gallery._TILE + 4) + gallery._TILE // 2].tolist()
    runs = [(colour, len(list(same))) for colour, same in groupby(map(tuple, line))]
    return [colour[0] for colour, long in runs if long >= gallery._TILE and colour != PAPER]


def test_the_strongest_crops_come_first_one_per_sample(library, shown):
    greys = [40, 60, 80, 100, 120]
    library.add([shown(f"s{grey}", grey, float(grey), ("contribution",) * 3) for grey in greys], "one")
    library.publish_note()
    assert tiles(sheet(library)) == greys[::-1]
    assert "The strongest crops among the 15 newest entries, one per sample (" in note(library)
    assert "contribution 15." in note(library)


def test_the_same_entries_give_the_same_sheet(library, again, shown):
    library.add([shown(f"s{n}", 20 * n, 1.0, ("a:0", "b:1", "contribution")) for n in range(1, 9)], "one")
    library.publish_note()
    first, text = sheet(library), note(library)
    again(library).publish_note()
    assert (sheet(library), note(library)) == (first, text)


def test_the_sheet_is_small_whatever_the_library_holds(library, observe):
    rng = np.random.default_rng(0)
    features = tuple(f"fc1:{n}" for n in range(2 * FEATURES))
    for n in range(3):
        seen = [observe(f"s{n}-{m}", features, sample_sha256=f"{n}{m}" * 32) for m in range(CROPS)]
        noise = [encode_png(rng.integers(0, 256, (200, 90, 3), dtype=np.uint8)) for _ in seen]
        made = [
            replace(one, entries=tuple(replace(entry, crop=png) for entry in one.entries))
            for one, png in zip(seen, noise, strict=True)
        ]
        library.add(made, f"shard{n}")
    library.publish_note()
    png = sheet(library)
    picture = Image.open(io.BytesIO(png))
    assert len(png) < 600_000
    assert picture.width <= 660
    assert FEATURES * CROPS <= 50


def test_crops_that_cannot_be_read_are_left_out(library, observe, shown):
    library.add([observe("damaged", ("contribution",)), shown("whole", 90, -1.0)], "one")
    library.publish_note()
    assert tiles(sheet(library)) == [90]


def test_a_library_without_crops_has_a_note_and_no_gallery(library, observe):
    library.add([observe("damaged")], "one")
    library.publish_note()
    assert library.tracking.names_in("gallery") == []
    assert "gallery" not in note(library)


def test_no_crop_outlives_its_entries(library, again, shown):
    library.add([shown("erased", 90, 1.0)], "one")
    library.publish_note()
    library.store.replace(library.store.shards(), [], "nothing")
    again(library).publish_note(patience=0)
    assert sheet(library) == gallery.empty_sheet()
    assert "get-artifact" not in note(library)


def test_a_gallery_is_kept_for_a_while(library, shown):
    library.add([shown("first", 90, 1.0)], "one")
    library.publish_note()
    library.add([shown("second", 120, 2.0)], "two")
    library.publish_note()
    assert tiles(sheet(library)) == [90]
    assert "| production | 2 | 2 |" in note(library)
    library.publish_note(patience=0)
    assert tiles(sheet(library)) == [120, 90]


def test_only_the_newest_shards_are_looked_at(library, shown, monkeypatch):
    monkeypatch.setattr(gallery, "_ENTRIES", 2)
    for n in range(1, 5):
        library.add([shown(f"s{n}", 40 * n, 1.0 / n)], f"shard{n}")
    assert [shard.name for shard in newest(library.store.shards())] == ["shard3", "shard4"]
    monkeypatch.setattr(gallery, "_ENTRIES", 0)
    assert [shard.name for shard in newest(library.store.shards())] == ["shard4"]
    library.publish_note()
    assert tiles(sheet(library)) == [160]
    assert "The strongest crops among the only entry" in note(library)


def test_windows_are_shown_under_their_units(library, shown):
    seen = [shown(f"s{n}", 40 * n, 1.0) for n in (1, 2)]
    library.add(seen, "one")
    library.assign(
        {seen[0].entries[0].id: "contribution:0", seen[1].entries[0].id: "contribution:1"}, "audit"
    )
    library.publish_note()
    assert "contribution:0 1, contribution:1 1." in note(library)


def test_the_note_names_the_audit_and_the_model(library, shown):
    library.add([shown("a", 90, 1.0)], "one")
    for key, value in (
        ("foveal.last_audit", "ab12"),
        ("foveal.verdict", "1 artefact suspected, no training-set gap found"),
        ("foveal.model_version", "models:/lung nodules/3"),
    ):
        library.tracking.tag(key, value)
    library.publish_note()
    experiment = f"#/experiments/{library.experiment_id}/runs"
    assert f"Last audit: [1 artefact suspected, no training-set gap found]({experiment}/ab12)." in note(
        library
    )
    assert "Model: [lung nodules, version 3](#/models/lung%20nodules/versions/3)." in note(library)
    assert f"({experiment}/{library.run_id}/artifacts/gallery/gallery.png)" in note(library)


def test_names_are_no_markup():
    assert plain("a\n[b](c) <i>*_`") == "a &#91;b&#93;&#40;c&#41; &#60;i&#62;&#42;&#95;&#96;"
