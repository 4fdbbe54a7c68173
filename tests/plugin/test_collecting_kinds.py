"""Traces, sounds and volumes become entries: windows, crops and maps against what was planted."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.crops import inside
from foveal.errors import UsageError
from foveal.library import Library, to_entries
from foveal.observer import Observer, Seen
from foveal.samples.arrays import decode_crop
from foveal.samples.kinds import read_transform

torch.set_num_threads(1)
_NUMBERS = count()
WATCHED = {"features": ["blur:0", "class:1"], "rule": "nonzero"}


@pytest.fixture
def library(tracking_uri):
    return Library(f"collected kinds {next(_NUMBERS)}", tracking_uri)


class Brightest(nn.Module):
    """Looks for high values, on any number of axes: two nodes whose difference is the answer."""

    def __init__(self, axes):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.blur = conv(1, 2, 4, stride=4, bias=False)
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.blur.weight[0] = 1 / 4**axes
            self.blur.weight[1] = -1 / 4**axes
            self.fc.weight.copy_(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(torch.relu(self.blur(x)).flatten(2).mean(-1))


#: Kind, section, the sample's shape, where it is bright, and the network's axes.
CASES = {
    "signal": ({"size": [160]}, (160, 1), (64, 80), 1),
    "signal at half the rate": ({"size": [80], "rate": 50.0}, (160, 1), (64, 80), 1),
    "signal cut to a length": ({"size": [160]}, (400, 1), (64, 80), 1),
    "signal shorter than the length": ({"size": [400]}, (160, 1), (64, 80), 1),
    "volume": ({"size": [16, 16, 24]}, (16, 16, 24, 1), (4, 8, 12, 8, 12, 16), 3),
    "volume of other sides": ({"size": [16, 16, 16]}, (16, 32, 8, 1), (4, 16, 2, 8, 24, 4), 3),
}


def planted(shape, window, kind=np.float32):
    values = np.random.default_rng(0).normal(0, 0.02, shape).astype(kind)
    axes = len(window) // 2
    values[tuple(slice(a, b) for a, b in zip(window[:axes], window[axes:], strict=True))] += 3
    return values


def model_of(kind, section, axes, **config):
    return AuditedModel(
        name="brightest",
        module=Brightest(axes).eval(),
        transform=read_transform({"kind": kind, **section}),
        labels=("dark", "bright"),
        config=FovealConfig.from_mapping(
            {"features": ["blur:0", "class:1"], "rule": "nonzero", **config}, environ={}
        ),
        sha256="f" * 64,
        source="python:test:model",
    )


@pytest.mark.parametrize("name", CASES)
def test_the_windows_lie_where_it_was_planted(name):
    section, shape, window, axes = CASES[name]
    sides = np.subtract(window[axes:], window[:axes]).tolist()
    model = model_of(name.split()[0], section, axes, layer="blur", window=sides)
    values = planted(shape, window)
    spacing = (0.01,) if "rate" in section else ()
    seen = Seen("s", 0, values, "training", "2026-03-01T12:00:00Z", "k", spacing=spacing)
    x = model.transform(values, "s", spacing)[None]
    with model.observer(x) as observer:
        output, (observation,) = observer.observe([seen], x)
    with torch.inference_mode():
        torch.testing.assert_close(output, model.module(x))
    assert observation.sample.shape == shape
    assert {entry.feature for entry in observation.entries} == {"contribution", "blur:0", "class:1"}
    for feature in ("contribution", "blur:0", "class:1"):
        first = next(entry for entry in observation.entries if entry.feature == feature)
        assert np.abs(np.subtract(first.window, window)).max() <= 2
        assert first.map.ndim == axes
        crop = decode_crop(first.crop, "crop")
        assert (crop.shape, crop.dtype) == ((*sides, 1), np.float32)
        np.testing.assert_array_equal(crop, values[inside(first.window)])


def test_no_window_lies_on_time_that_is_not_there():
    """A network that likes zeros best likes the filled-up end; nothing of that is in the sample."""
    model = model_of("signal", {"size": [400]}, 1, layer="blur", window=20)
    values = np.full((150, 1), 0.1, np.float32)
    x = model.transform(values)[None]
    with model.observer(x) as observer:
        seen = Seen("s", 0, values, "training", "2026-03-01T12:00:00Z", "k")
        _, (observation,) = observer.observe([seen], x)
    assert observation.entries
    for entry in observation.entries:
        assert 0 <= entry.window[0] < entry.window[1] <= 150
        assert decode_crop(entry.crop, "c").shape == (20, 1)


class Loud(nn.Module):
    """Looks at one frequency of a spectrogram."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


def test_spectrogram_networks_have_windows_in_time():
    torch.manual_seed(0)
    spectrogram = {"window": 128, "hop": 64, "log": False}
    section = {"size": [4000], "rate": 8000, "spectrogram": spectrogram, "channels": 1}
    model = model_of("audio", section, 1)
    network = Loud().eval()
    values = np.random.default_rng(0).integers(-300, 300, (4000, 1), dtype=np.int16)
    values[2000:2400, 0] = (20_000 * np.sin(np.arange(400) * 0.8)).astype(np.int16)
    x = model.transform(values, "s", (1 / 8000,))[None]
    assert x.shape == (1, 1, 65, 63)
    asked = {"features": ["conv"], "rule": "nonzero", "window": 400}
    settings = FovealConfig.from_mapping(asked, environ={})
    with Observer(network, model.transform, settings, "m" * 64, x) as observer:
        seen = Seen("s", 0, values, "training", "2026-03-01T12:00:00Z", "k", spacing=(1 / 8000,))
        _, (observation,) = observer.observe([seen], x)
    strongest = [entry for entry in observation.entries if entry.feature.startswith("conv")]
    assert strongest
    for entry in strongest:
        assert entry.map.ndim == 1
        assert decode_crop(entry.crop, "c").dtype == np.int16
    best = max(strongest, key=lambda entry: entry.share)
    assert abs(best.window[0] - 2000) <= 128  # a frame's window
    contribution = [entry for entry in observation.entries if entry.feature == "contribution"]
    assert all(entry.vector.shape == (3,) for entry in contribution)


def test_a_layer_without_the_networks_axes():
    model = model_of("signal", {"size": [160]}, 1, layer="fc")
    with pytest.raises(UsageError, match=r"Layer 'fc'"):
        model.observer(torch.zeros(1, 1, 160))


def test_a_folder_of_traces_into_a_library(tmp_path, library):
    _, shape, window, _ = CASES["signal"]
    for number, label in enumerate(("dark", "bright", "bright")):
        folder = tmp_path / "data" / label
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number}.npy", planted(shape, window)[:, 0] * number)
    (tmp_path / "data" / "notes.md").write_text("not a trace")
    model = model_of("signal", {"size": [160]}, 1, window=16)
    done = collect(model, tmp_path / "data", "training", library)
    assert (done.samples, done.already) == (3, 0)
    entries = to_entries(library["blur:0"].query().table())
    assert {entry.sample for entry in entries} <= {"bright/1.npy", "bright/2.npy", "dark/0.npy"}
    assert all(len(entry.window) == 2 and entry.map.ndim == 1 for entry in entries)
    again = collect(model, tmp_path / "data", "training", library)
    assert (again.samples, again.already) == (0, 3)


def test_a_folder_without_samples_of_the_kind(tmp_path, library):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UsageError) as caught:
        collect(model_of("signal", {"size": [160]}, 1), tmp_path, "training", library)
    assert str(caught.value).startswith(f"Folder '{tmp_path}' holds no file of .bdf, .csv, ")
