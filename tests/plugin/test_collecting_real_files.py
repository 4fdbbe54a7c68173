"""Real files of every kind explained and collected: crops are cut from what the file holds."""

from __future__ import annotations

import csv
import os
from itertools import count
from pathlib import Path

import nibabel
import numpy as np
import pydicom.examples
import pytest
import skimage.data
import torch
import wfdb
from PIL import Image
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.crops import inside
from foveal.explaining.files import write_explanation
from foveal.explaining.samples import SampleExplainer
from foveal.library import Library
from foveal.samples.arrays import decode_crop
from foveal.samples.kinds import read_transform

torch.set_num_threads(1)
_NUMBERS = count()
VOLUMES = Path(nibabel.__file__).parent / "tests" / "data"


class Net(nn.Module):
    """One convolution of chance and two classes, on any number of axes and channels."""

    def __init__(self, axes, channels):
        super().__init__()
        torch.manual_seed(0)
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.conv = conv(channels, 4, 4, stride=4)
        self.fc = nn.Linear(4, 2)
        with torch.no_grad():  # evidence for both classes in every sample
            self.conv.bias.fill_(1)
            self.fc.weight.abs_()

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(2).mean(-1))


def model_of(kind, channels, **section):
    transform = read_transform({"kind": kind, "channels": channels, **section})
    axes = {"signal": 1, "audio": 1, "image": 2, "volume": 3}[kind]
    watched = {"features": ["class:*"], "rule": "nonzero", "layer": "conv"}
    return AuditedModel(
        name="net",
        module=Net(axes, channels).eval(),
        transform=transform,
        labels=("a", "b"),
        config=FovealConfig.from_mapping(watched, environ={}),
        sha256="d" * 64,
        source="python:test:model",
    )


def beats(folder):
    """Cut the first twelve beats out of MIT-BIH record 100, a file each, labelled as they are annotated."""
    data = os.environ.get("FOVEAL_DATA")
    if not data:
        pytest.skip("Set FOVEAL_DATA to the folder with the real samples")
    record = str(Path(data) / "ecg" / "100")
    trace, marks = wfdb.rdrecord(record).p_signal, wfdb.rdann(record, "atr")
    with (folder / "beats.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("path", "label"))
        for number, (at, kind) in enumerate(zip(marks.sample[2:14], marks.symbol[2:14], strict=True)):
            np.save(folder / f"{number:02}.npy", trace[at - 100 : at + 156].astype(np.float32))
            table.writerow((f"{number:02}.npy", kind))
    return folder / "beats.csv", model_of("signal", 2, size=[256], rate=360, standardise=True), 12


def linked(folder, path):
    (folder / Path(path).name).symlink_to(path)
    return folder


def leads(folder):
    path = pydicom.examples.get_path("waveform")
    return linked(folder, path), model_of("signal", 12, size=[2500], rate=250, standardise=True), 1


def dicom(name, channels):
    def made(folder):
        path = pydicom.examples.get_path(name)
        return linked(folder, path), model_of("image", channels, size=[64, 64], window="percentiles"), 1

    return made


def nifti(name, channels):
    def made(folder):
        model = model_of("volume", channels, size=[16, 16, 16], window="percentiles")
        return linked(folder, VOLUMES / name), model, 1

    return made


def pathology(folder):
    """Blow skimage's stained tissue up to 1,024 pixels a side: far more than the network takes."""
    picture = Image.fromarray(skimage.data.immunohistochemistry())
    picture.resize((1024, 1024), Image.Resampling.BICUBIC).save(folder / "tissue.png", compress_level=1)
    return folder, model_of("image", 3, size=[64, 64]), 1


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(beats, id="record 100"),
        pytest.param(leads, id="12 leads"),
        pytest.param(dicom("ct", 1), id="CT"),
        pytest.param(dicom("mr", 1), id="MR"),
        pytest.param(dicom("rgb_color", 3), id="ultrasound"),
        pytest.param(nifti("anatomical.nii", 1), id="volume"),
        pytest.param(nifti("functional.nii", 20), id="volumes over time"),
        pytest.param(pathology, id="pathology"),
    ],
)
def test_a_real_file_is_explained_and_collected(make, tmp_path, tracking_uri):
    folder = tmp_path / "data"
    folder.mkdir()
    data, model, number = make(folder)
    library = Library(f"real files {next(_NUMBERS)}", tracking_uri)
    assert collect(model, data, "training", library).samples == number
    samples = {one["sample"]: one for one in library.samples().to_pylist()}
    entries = library.query().entries()
    assert {entry.sample for entry in entries} == set(samples)
    for entry in entries:
        path = Path(samples[entry.sample]["origin"])
        values = model.kind.decode(model.kind.read(path), "s").values
        assert tuple(samples[entry.sample]["shape"]) == values.shape
        np.testing.assert_array_equal(decode_crop(entry.crop, "c"), values[inside(entry.window)])
    with SampleExplainer(model, layer="conv") as explainer:
        report = write_explanation(explainer.explain(path), explainer, tmp_path / "out", "s")
    assert report["shape"] == list(values.shape)
    assert all(low < high for box in report["boxes"] for low, high in _sides(box["window"]))
    with Image.open(tmp_path / "out" / "s.png") as picture:
        assert picture.mode == "RGB"


def _sides(window):
    axes = len(window) // 2
    return zip(window[:axes], window[axes:], strict=True)
