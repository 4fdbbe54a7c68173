"""Single traces, sounds and volumes explained: maps, boxes in the sample's steps, pictures."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.config import FovealConfig
from foveal.explaining import pictures
from foveal.explaining.comparison import Comparer
from foveal.explaining.files import write_explanation
from foveal.explaining.samples import SampleExplainer
from foveal.explaining.sheets import write_comparison
from foveal.samples.kinds import read_transform

torch.set_num_threads(1)


class Loudest(nn.Module):
    """Averages a rectified convolution: class 1 is strong where the sample is high."""

    def __init__(self, axes, side=4):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.conv = conv(1, 1, side, stride=side, bias=False)
        self.fc = nn.Linear(1, 2)
        with torch.no_grad():
            self.conv.weight.fill_(1 / side**axes)
            self.fc.weight.copy_(torch.tensor([[-1.0], [1.0]]))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(2).mean(-1))


def model_of(kind, axes, **section):
    return AuditedModel(
        name="loudest",
        module=Loudest(axes).eval(),
        transform=read_transform({"kind": kind, **section}),
        labels=("quiet", "loud"),
        config=FovealConfig.from_mapping({}, environ={}),
        sha256="e" * 64,
        source="python:test:model",
    )


@pytest.fixture
def drawn(monkeypatch):
    """Collect the notes that are written below pictures."""
    notes = []
    whole = pictures.overlay

    def overlay(*args, **options):
        notes.append(list(options["notes"]))
        return whole(*args, **options)

    monkeypatch.setattr(pictures, "overlay", overlay)
    return notes


def trace(folder):
    values = np.zeros(400)
    values[160:200] = 1
    path = folder / "trace.csv"
    path.write_text("time,MLII\n" + "\n".join(f"{at / 100},{value}" for at, value in enumerate(values)))
    return path, model_of("signal", 1, size=[400]), (160, 200), [100]


def longer_trace(folder):
    path, _, window, _ = trace(folder)
    return path, model_of("signal", 1, size=[240]), window, [60]


def sound(folder):
    values = np.zeros(1600)
    values[400:480] = 0.9
    path = folder / "sound.wav"
    soundfile.write(path, values, 16000)
    return path, model_of("audio", 1, size=[800], rate=8000), (400, 480), [200]


def spectrogram(folder):
    values = np.zeros(1600)
    values[800:1000] = np.sin(np.arange(200))
    path = folder / "tone.flac"
    soundfile.write(path, values, 8000)
    how = {"window": 32, "hop": 16, "log": False}
    return path, model_of("audio", 2, size=[1600], rate=8000, spectrogram=how), (800, 1000), [4, 25]


def volume(folder):
    values = np.zeros((16, 24, 16), np.uint8)
    values[4:8, 12:20, 8:12] = 200
    path = folder / "volume.npy"
    np.save(path, values)
    return path, model_of("volume", 3, size=[16, 24, 16]), (4, 12, 8, 8, 20, 12), [4, 6, 4]


@pytest.mark.parametrize("make", [trace, longer_trace, sound, spectrogram, volume])
def test_what_was_planted_is_boxed(make, tmp_path):
    path, model, window, grid = make(tmp_path)
    with SampleExplainer(model, layer="conv", targets=["class:1"]) as explainer:
        explained = explainer.explain(path)
        report = write_explanation(explained, explainer, tmp_path / "out", path.stem)
    assert report["prediction"]["label"] == "loud"
    assert np.load(tmp_path / "out" / f"{path.stem}.npy").shape == tuple(grid)
    assert report["maps" if "map" not in report else "map"]["grid"] == grid
    box = report["boxes"][0]["window"]
    step = np.array(report["shape"][:-1]) / np.array(grid)[-len(window) // 2 :]
    assert (np.abs(np.subtract(box, window)) <= np.tile(2 * step, 2)).all()
    assert json.loads((tmp_path / "out" / f"{path.stem}.json").read_text())["boxes"] == report["boxes"]
    with Image.open(tmp_path / "out" / f"{path.stem}.png") as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize("frequency", [600, 1800, 3100])
def test_a_tone_in_noise_has_its_time_and_its_frequencies(frequency, tmp_path, drawn):
    values = np.random.default_rng(0).normal(0, 0.02, 6400)
    values[3200:4000] += 0.5 * np.sin(2 * np.pi * frequency * np.arange(800) / 8000)
    soundfile.write(tmp_path / "tone.wav", values, 8000)
    how = {"window": 128, "hop": 64, "log": False}
    model = model_of("audio", 2, size=[8000], rate=8000, spectrogram=how)
    with SampleExplainer(model, layer="conv", targets=["class:1"]) as explainer:
        explained = explainer.explain(tmp_path / "tone.wav")
        report = write_explanation(explained, explainer, tmp_path / "out", "tone")
    (box,) = report["boxes"]
    start, end = box["window"]
    assert max(abs(start - 3200), abs(end - 4000)) <= 2 * 4 * 64  # two cells of four frames
    low, high = box["hertz"]
    assert low <= frequency <= high
    assert high - low <= 2 * 4 * 8000 / 128  # two cells of four bands
    said = f"1: {round(start * (1 / 8000), 3):g}-{round(end * (1 / 8000), 3):g} s, {low:,.0f}-{high:,.0f} Hz"
    assert drawn == [[said]]


@pytest.mark.parametrize("make", [trace, sound, volume])
def test_what_has_no_frequencies_names_none(make, tmp_path, drawn):
    path, model, *_ = make(tmp_path)
    with SampleExplainer(model, layer="conv", targets=["class:1"]) as explainer:
        report = write_explanation(explainer.explain(path), explainer, tmp_path / "out", path.stem)
    assert [set(box) for box in report["boxes"]] == [{"number", "target", "window", "score"}]
    assert not [note for notes in drawn for note in notes if "Hz" in note]


@pytest.mark.parametrize("make", [longer_trace, spectrogram, volume])
def test_methods_are_compared(make, tmp_path):
    path, model, *_ = make(tmp_path)
    with (
        SampleExplainer(model, layer="conv") as explainer,
        Comparer(model, ["hirescam", "occlusion"], layer="conv", steps=4) as comparer,
    ):
        explained = explainer.explain(path)
        report = write_comparison(comparer.compare(explained.x, explained.original), explained, tmp_path, "s")
    hirescam, occlusion = report["methods"]
    assert "fault" not in hirescam
    assert "fault" not in occlusion
    assert len(hirescam["boxes"][0][0]) == 2 * len(model.kind.axes)
    assert Image.open(io.BytesIO((tmp_path / "s.compare.png").read_bytes())).mode == "RGB"
