"""Exports of crops that are no pictures: whole arrays under names that say so."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from foveal.errors import UsageError
from foveal.library.exporting import export
from foveal.samples.arrays import encode_crop


@pytest.fixture
def traces(library, observe):
    crop = encode_crop(np.arange(12, dtype=np.float32).reshape(6, 2))
    made = observe("t.csv", shape=(400, 2))
    entries = tuple(replace(entry, crop=crop, window=(10, 16)) for entry in made.entries)
    library.add([replace(made, entries=entries)], "one")
    return library


def test_folders(traces, tmp_path):
    export(traces, tmp_path / "out", "folders")
    crops = list((tmp_path / "out").rglob("*.npy"))
    assert len(crops) == 2
    assert all(np.load(path).shape == (6, 2) for path in crops)
    assert ".npy" in (tmp_path / "out" / "metadata.csv").read_text()


def test_webdataset(traces, tmp_path):
    export(traces, tmp_path / "out", "webdataset")
    with tarfile.open(next((tmp_path / "out").glob("*.tar"))) as tar:
        crops = [one for one in tar.getnames() if one.endswith(".npy") and not one.endswith(".map.npy")]
        assert len(crops) == 2
        assert np.load(io.BytesIO(tar.extractfile(crops[0]).read())).tolist()[0] == [0, 1]


def test_huggingface_has_a_column_of_pictures(traces, tmp_path):
    with pytest.raises(UsageError) as caught:
        export(traces, tmp_path / "out", "huggingface")
    assert str(caught.value) == (
        "The library holds crops that are no pictures. Export it as webdataset or folders."
    )
    assert not (tmp_path / "out").exists()


def test_galleries_and_notebooks_show_them(traces):
    assert "data:image/png" in traces["fc1:7"]._repr_html_()
