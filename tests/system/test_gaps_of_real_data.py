"""Gaps among real samples: a speaker that training never heard, and pictures of another camera.

The CIFAR pictures that are at hand are JPEGs all of them, the PNGs that the network learned from are not. So
the gap is made as it arises: part of production is compressed much harder than the rest. That slight
compression is harmless is asserted on the same pictures.
"""

from __future__ import annotations

import csv
import io
import runpy
import wave

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import spectrogram
from synthetic_library import make_samples, make_windows

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import encode_png, read_image
from foveal.samples.transform import ImageTransform
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.reproducible import one_thread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def deployed(module, side, channels, mean=(0.5,), std=(0.25,)):
    transform = ImageTransform((side, side), channels, mean, std)
    config = FovealConfig.from_mapping({}, environ={})
    return AuditedModel("real", module.eval(), transform, ("a", "b"), config, "f" * 64, "python:real:model")


def found_in(folder, pictures, sources, model, **metadata):
    """Look for gaps among whole pictures, with the middle of each as its window."""
    side = pictures[0].shape[0]
    low, high = side // 4, side - side // 4
    paths = [folder / f"{number:04}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(encode_png(picture))
    samples = make_samples(sources, origins=list(map(str, paths)), shape=pictures[0].shape, **metadata)
    boxes = np.tile([low, low, high, high], (len(pictures), 1))
    windows = make_windows([np.ascontiguousarray(one[low:high, low:high]) for one in pictures], boxes=boxes)
    with one_thread():
        return find_gaps(windows, samples, model, 0).found


def overlap(gaps, planted):
    """Give the largest intersection over union of a group with what was planted."""
    return max((len(set(one.members) & planted) / len(set(one.members) | planted) for one in gaps), default=0)


@pytest.fixture(scope="module")
def resnet(models, data):
    network = runpy.run_path(str(models / "resnet20.py"))["ResNet20"]()
    weights = torch.load(data / "cifar10" / "resnet20.th", map_location="cpu", weights_only=True)[
        "state_dict"
    ]
    network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    return deployed(network, 32, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def compressed(picture, quality):
    with io.BytesIO() as stream:
        Image.fromarray(picture).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))


@pytest.mark.parametrize(("quality", "is_gap"), [(15, True), pytest.param(92, False, marks=pytest.mark.full)])
def test_hard_compression_of_real_pictures_is_a_gap_and_slight_compression_is_none(
    tmp_path, data, resnet, quality, is_gap
):
    rows = list(csv.DictReader((data / "cifar10" / "manifest.csv").open()))[::3]
    pictures = [read_image(data / "cifar10" / row["path"]) for row in rows]
    order = np.random.default_rng(0).permutation(len(pictures))
    pictures = [pictures[row] for row in order]
    sources = ["training"] * 220 + ["production"] * 114
    planted = set(range(220, 250))
    pictures[220:250] = [compressed(one, quality) for one in pictures[220:250]]
    found = found_in(tmp_path, pictures, sources, resnet)
    if not is_gap:
        assert found == []
        return
    assert overlap(found, planted) >= 0.5
    assert {one.kind for one in found} <= {"uncovered_group", "under_represented"}


def spectrum(path):
    """Turn a recording into a picture (48, 48, 1): the logarithm of its spectrogram."""
    with wave.open(str(path)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).astype(np.float64)
    power = spectrogram(heard, 8000, nperseg=128, noverlap=96)[2]
    decibels = np.clip(10 * np.log10(power + 1e-3) / 60, 0, 1)
    grey = Image.fromarray((255 * decibels[:48]).astype(np.uint8)).resize((48, 48), Image.Resampling.BILINEAR)
    return np.asarray(grey)[..., None]


class Listener(torch.nn.Module):
    """A small network of fixed chance: what it was taught does not matter to what it was never shown."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        steps = [(1, 12), (12, 24), (24, 32)]
        self.features = torch.nn.Sequential(
            *(
                layer
                for inputs, outputs in steps
                for layer in (
                    torch.nn.Conv2d(inputs, outputs, 3, padding=1),
                    torch.nn.ReLU(),
                    torch.nn.MaxPool2d(2),
                )
            )
        )
        self.head = torch.nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.features(x).mean(dim=(2, 3)))


def test_a_speaker_that_only_production_has_is_a_gap(tmp_path, data):
    rows = list(csv.DictReader((data / "spoken-digits" / "manifest.csv").open()))
    known = [row for row in rows if row["speaker"] != "theo"]
    trained = [row for row in known if int(row["take"]) < 6]
    asked = [row for row in known if int(row["take"]) >= 6]
    heard = [*trained, *asked, *(row for row in rows if row["speaker"] == "theo" and int(row["take"]) < 4)]
    pictures = [spectrum(data / "spoken-digits" / row["path"]) for row in heard]
    sources = ["training"] * len(trained) + ["production"] * (len(heard) - len(trained))
    speakers = [row["speaker"] for row in heard]
    planted = {at for at, row in enumerate(heard) if row["speaker"] == "theo"}
    found = found_in(tmp_path, pictures, sources, deployed(Listener(), 48, 1), speaker=speakers)
    assert overlap(found, planted) >= 0.5
    assert any(one.explained_by == {"speaker": "theo"} for one in found)


@pytest.mark.full
def test_other_takes_of_known_speakers_are_no_gap(tmp_path, data):
    rows = [
        row
        for row in csv.DictReader((data / "spoken-digits" / "manifest.csv").open())
        if row["speaker"] != "theo"
    ]
    rows = sorted(rows, key=lambda row: int(row["take"]) >= 6)
    pictures = [spectrum(data / "spoken-digits" / row["path"]) for row in rows]
    sources = ["production" if int(row["take"]) >= 6 else "training" for row in rows]
    assert found_in(tmp_path, pictures, sources, deployed(Listener(), 48, 1)) == []
