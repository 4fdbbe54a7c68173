"""Medical files through a real TorchServe: answered, and no patient in spool, library, logs or answers."""

from __future__ import annotations

import io
import zipfile
from runpy import run_path

import nibabel
import numpy as np
import pytest
import torch
from made_dicom import dicom_bytes, example
from planted_patients import MARKS, marks_in, planted_bytes
from ready_stores import ready_store

from foveal import Library
from foveal.archives.pack import pack
from foveal.servers import TorchServe
from foveal.shipper import ship

pytestmark = pytest.mark.slow


def series():
    """Write eight slices full of a patient's data, as a zip."""
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(out, "w") as packed:
        for z in range(8):
            place = {"ImagePositionPatient": [0, 0, 2 * z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
            data = dicom_bytes(rng.integers(0, 900, (20, 24), dtype=np.uint16), **place)
            packed.writestr(f"{z}.dcm", planted_bytes(data))
    return out.getvalue()


def nifti():
    image = nibabel.Nifti1Image(np.random.default_rng(1).normal(size=(20, 18, 9)), np.eye(4))
    for mark in MARKS:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", mark.encode()))
    image.header["descrip"] = MARKS[0]
    return image.to_bytes()


@pytest.fixture(scope="module")
def store(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("medical") / "store"
    folder.mkdir()
    torch.manual_seed(1)
    file, weights = models / "volume_net.py", folder.parent / "scans.pt"
    torch.save(run_path(str(file))["VolumeNet"]().state_dict(), weights)
    config = {
        "foveal": {
            "features": ["class:*"],
            "rule": "nonzero",
            "keep": {"metadata": ["Modality", "PatientName"]},
        },
        "preprocess": {"window": "percentiles"},
    }
    pack(
        "volume",
        file,
        weights,
        folder / "scans.mar",
        size=[8, 16, 16],
        channels=1,
        labels="abc",
        config=config,
    )
    return folder


def test_medical_files_from_request_to_library(store):
    folder = store.parent
    bodies = {
        "series": series(),
        "film": planted_bytes(dicom_bytes(np.ones((6, 20, 20), np.uint8), "US")),
        "nifti": nifti(),
    }
    for body in bodies.values():
        assert marks_in(body) != []
    hostile = [
        bodies["series"][:-40],
        example("MR_truncated.dcm"),
        bodies["nifti"][:-9],
        example("test-SR.dcm"),
    ]
    with TorchServe(store, spool=folder / "spool", logs=folder / "logs") as server:
        answers = [server.request("/predictions/scans", body) for body in bodies.values()]
        refused = [server.request("/predictions/scans", body) for body in hostile]
        assert server.request("/predictions/scans", bodies["nifti"]).status == 200  # alive
    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.status for answer in refused] == [400] * 4
    library = Library("scans", ready_store(folder / "mlflow.db"))
    ship(folder / "spool" / "scans", library)
    samples = library.samples().to_pylist()
    assert len(samples) == 4
    assert {tuple(dict(sample["metadata"] or {}).items()) for sample in samples} >= {(("Modality", "CT"),)}
    entries = library.query().entries()
    assert entries
    said = repr((samples, entries)).encode() + b"".join(one.body for one in [*answers, *refused])
    assert marks_in(said) == []
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert "model_log.log" in {path.name for path in written}
    assert {path.name for path in written if marks_in(path.read_bytes())} == set()
