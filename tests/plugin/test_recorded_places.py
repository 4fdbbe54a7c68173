"""What is recorded of places: the size of steps and the frequencies, as reader and transform know them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from placed_samples import ECG_RATE, LOUD, SOUND_RATE, TONE, VOXEL, kind_of, model_of, write_placed
from torch import nn

from foveal import observer as observing
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.library import Library, to_entries, to_samples
from foveal.observer import Observer, Seen
from foveal.samples.kinds import read_transform
from foveal.spool.frame import encode_frame, scan

torch.set_num_threads(1)
_NUMBERS = count()
SPACING = {"record": (1 / ECG_RATE,), "sound": (1 / SOUND_RATE,), "scan": VOXEL}


@pytest.fixture
def library(tracking_uri):
    return Library(f"places {next(_NUMBERS)}", tracking_uri)


def seen_of(name, model, path):
    decoded = model.kind.decode(model.kind.read(path), str(path))
    x = model.transform(decoded.values, "", decoded.spacing)[None]
    seen = Seen("s", 0, decoded.values, "production", "2026-03-01T12:00:00Z", "k", spacing=decoded.spacing)
    return seen, x


@pytest.mark.parametrize("name", list(SPACING))
def test_a_library_knows_places_without_any_file(name, library, tmp_path):
    model = model_of(name)
    write_placed(name, tmp_path)
    collect(model, tmp_path, "training", library)
    (sample,) = to_samples(library.samples())
    assert sample.spacing == pytest.approx(SPACING[name], rel=1e-6)
    entries = to_entries(library.entries())
    assert {one.feature for one in entries} == {"contribution", "class:1"}
    for one in entries:
        side = np.subtract(one.window, LOUD[name])
        assert np.abs(side).max() <= (128 * 3 if name == "sound" else 20)
        assert (one.band is not None) == (name == "sound")
        if one.band:
            assert one.band[0] <= TONE <= one.band[1]
            assert one.band[1] - one.band[0] < 400


@pytest.mark.parametrize(
    ("stated", "section", "told"),
    [
        ((), {}, None),
        ((), {"rate": 200.0}, (1 / 200,)),
        ((1 / 100,), {"rate": 200.0}, (1 / 100,)),
        ((np.nan,), {}, None),
    ],
)
def test_a_trace_that_states_no_rate_has_that_of_the_configuration(stated, section, told):
    """Windows count in its own steps, whatever rate it is brought to."""
    model = model_of("record", **section)
    values = np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)
    x = model.transform(values, "", tuple(one for one in stated if one == one))[None]
    with model.observer(x) as watching:
        seen = Seen("s", 0, values, "production", "t", "k", spacing=stated)
        (one,) = watching.record([seen], watching.forward(x))
    assert one.sample.spacing == told


def test_of_pictures_no_spacing_is_recorded():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    x, transform = torch.rand(1, 1, 8, 8), read_transform({"size": [8, 8], "channels": 1})
    config = FovealConfig.from_mapping({"rule": "nonzero"}, environ={})
    values = np.zeros((16, 16, 1), np.uint8)
    with Observer(net.eval(), transform, config, "f" * 64, x) as watching:
        seen = Seen("s", 0, values, "production", "t", "k", spacing=(0.5, 0.5))
        (one,) = watching.record([seen], watching.forward(x))
    assert one.sample.spacing is None
    assert [entry.band for entry in one.entries if entry.band] == []


def test_bands_are_spooled_and_change_nothing_else(tmp_path, monkeypatch):
    """Windows of features are found while frequencies are known; they are those that the shipper finds."""
    model = model_of("sound")
    (path,) = write_placed("sound", tmp_path)
    seen, x = seen_of("sound", model, path)

    def told():
        with model.observer(x) as watching:
            return watching.observe([seen], x)[1][0], watching.record([seen], watching.forward(x))[0]

    ours, spooled = told()
    (back,) = scan(encode_frame(spooled))
    assert [one.band for one in back.entries] == [one.band for one in ours.entries]
    assert all(one.band for one in ours.entries)
    monkeypatch.setattr(observing, "_heard", lambda _scribe, write, _feature, _raw, map_: [write(map_=map_)])
    theirs, _ = told()
    assert len(theirs.entries) == len(ours.entries) > 1
    for one, other in zip(ours.entries, theirs.entries, strict=True):
        np.testing.assert_array_equal(one.map, other.map)
        np.testing.assert_array_equal(one.vector, other.vector)
        blank = {"map": None, "vector": None, "band": None}
        assert replace(one, **blank) == replace(other, **blank)


def test_a_kind_has_what_its_samples_have():
    assert [kind_of(name).unit for name in SPACING] == ["s", "s", "mm"]
