"""DICOM and NIfTI in the serving worker: answered, noted without their patients, and refused by one line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from zipfile import ZipFile

import nibabel
import numpy as np
import pytest
import torch
from burnt_in_text import LINES, found_lines
from made_dicom import dicom_bytes, example
from planted_patients import WORD, marks_in, planted_bytes

from foveal.archives.pack import pack
from foveal.samples.arrays import decode_crop
from foveal.samples.kinds import get_kind
from foveal.spool import read_segment
from foveal_handlers.handler import SampleHandler

VOLUMES = """
    from torch import nn


    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.early = nn.Sequential(nn.Conv3d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2))
            self.late = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.ReLU())
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 3)

        def forward(self, x):
            return self.fc2(self.fc1(self.late(self.early(x)).mean((2, 3, 4))).relu())
"""


@pytest.fixture
def serve_volumes(tmp_path, monkeypatch, new_context):
    """Start a handler of volumes that observes into a spool."""
    started = []

    def start(**config):
        code = tmp_path / "volumes.py"
        code.write_text(dedent(VOLUMES))
        found = importlib.util.spec_from_file_location("volumes", code)
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        torch.manual_seed(0)
        torch.save(module.Small().state_dict(), tmp_path / "volumes.pt")
        preprocess = {"size": [8, 12, 12], "channels": 1, "window": "percentiles"}
        out = pack(
            "volume",
            code,
            tmp_path / "volumes.pt",
            tmp_path / "small.mar",
            labels=("a", "b", "c"),
            config={"preprocess": preprocess, "foveal": {"max_windows": 1, **config}},
        )
        folder = tmp_path / "models" / "0123abcd"
        with ZipFile(out) as archive:
            archive.extractall(folder)
        monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        context = new_context(folder)
        handler = SampleHandler()
        handler.initialize(context)
        started.append(handler)
        return handler, context

    yield start
    for handler in started:
        if handler.auditor is not None:
            handler.auditor.close()


def nifti():
    """Write a volume whose header is full of a patient's name."""
    values = np.random.default_rng(0).integers(0, 400, (14, 12, 10), dtype=np.int16)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header["descrip"] = WORD
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", WORD.encode()))
    return image.to_bytes(), values


def spool_bytes(folder):
    return b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())


def test_a_volume_is_answered_and_noted_without_its_header(serve_volumes, request_batch, spooled, tmp_path):
    handler, context = serve_volumes()
    data, values = nifti()
    (answer,) = handler.handle(request_batch(context, [data], ids=["v1"]), context)
    assert set(answer) == {"a", "b", "c"}
    (observation,) = spooled()
    assert observation.sample.shape == (10, 12, 14, 1)
    assert observation.entries
    for entry in observation.entries:
        z0, y0, x0, z1, y1, x1 = entry.window
        crop = decode_crop(entry.crop, entry.id)
        np.testing.assert_array_equal(crop[..., 0], values.T[z0:z1, y0:y1, x0:x1])
    assert marks_in(data) == [WORD]
    assert marks_in(spool_bytes(tmp_path / "spool")) == []


def test_a_series_is_answered_by_the_same_model(serve_volumes, request_batch):
    handler, context = serve_volumes()
    film = dicom_bytes(np.random.default_rng(0).integers(0, 255, (9, 20, 16), dtype=np.uint8), "US")
    (answer,) = handler.handle(request_batch(context, [film]), context)
    assert set(answer) == {"a", "b", "c"}


def test_hostile_rows_get_their_own_line_and_the_others_their_answers(serve_volumes, request_batch, spooled):
    handler, context = serve_volumes()
    data, _ = nifti()
    rows = [data, b"no volume", data[:-5], example("MR_truncated.dcm"), b"PK\x03\x04 damaged", data]
    answers = handler.handle(request_batch(context, rows), context)
    assert [set(answer) == {"a", "b", "c"} for answer in answers] == [True, False, False, False, False, True]
    for answer in answers[1:5]:
        assert answer["code"] == 400
        assert answer["message"].startswith("Sample 'id-")
        assert "\n" not in answer["message"]
    assert len(spooled()) == 2


def test_a_dicom_image_is_answered_and_noted_without_its_patient(serve, spooled, tmp_path, caplog):
    served = serve(config={"foveal": {"keep": {"metadata": ["Modality", "PatientName"]}}})
    data = planted_bytes(example("examples_rgb_color.dcm"))
    served.ask([data], ids=["d1"])
    (observation,) = spooled()
    assert observation.sample.shape == (240, 320, 3)
    assert observation.sample.metadata == {"Modality": "US"}  # allowed, and asked for
    assert observation.entries
    assert marks_in(data) != []
    assert marks_in(spool_bytes(tmp_path / "spool")) == []
    assert marks_in(caplog.text.encode()) == []


def test_tags_are_not_kept_unless_they_are_asked_for(serve, spooled):
    served = serve()
    served.ask([example("examples_rgb_color.dcm")])
    (observation,) = spooled()
    assert observation.sample.metadata == {}


@pytest.mark.parametrize("setting", ["keep", "mask"])
def test_burnt_in_text_is_masked_where_asked_before_anything_is_noted(serve, setting, tmp_path):
    served = serve(config={"foveal": {"keep": {"burnt_in_text": setting}}})
    data = example("examples_palette.dcm")
    (answer,) = served.ask([data])
    segment = next((tmp_path / "spool").rglob("*.open"))
    (observation,) = read_segment(segment)
    noted = get_kind("image").decode(observation.negative.encoded, "x").values
    sent = get_kind("image").decode(data, "x").values
    changed = (noted != sent).any(axis=2)
    found = found_lines(changed, sent, LINES["examples_palette.dcm"], 0.8)
    assert found == (19 if setting == "mask" else 0)
    other = serve(spool=False)
    assert answer == other.ask([data])[0]  # the network sees the sample as it was sent


def test_the_worker_reads_medical_files_without_anything_heavy():
    code = """
        import json, sys
        import ts.context, ts.torch_handler.base_handler, ts.service, torch, numpy
        import foveal_handlers.mar.volume
        import made_dicom
        from foveal.samples.kinds import get_kind
        from foveal.samples.keeping import kept_bytes
        for name in ("CT_small.dcm", "examples_palette.dcm", "MR_small_RLE.dcm"):
            data = made_dicom.example(name)
            for kind in map(get_kind, ("image", "volume")):
                kept_bytes(kind, data, kind.decode(data, name).values, hide_text=True)
        print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
    """
    run = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1] / "networks",
    )
    loaded = set(json.loads(run.stdout.splitlines()[-1]))
    assert "pydicom" in loaded
    heavy = {"mlflow", "pyarrow", "captum", "pandas", "scipy", "pydantic", "nibabel", "highdicom"}
    assert loaded.isdisjoint(heavy)
