"""Large images collected by tiles: crops are cut-outs of the original at the tile's start plus the window."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from PIL import Image
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.collecting import Collected, collect
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.explaining.samples import SampleExplainer
from foveal.library import Library
from foveal.library.erasing import erase
from foveal.library.wanted import Wanted
from foveal.samples.arrays import decode_crop
from foveal.samples.cutting import Tiles
from foveal.samples.kinds import read_transform

torch.set_num_threads(1)
_NUMBERS = count()


class Net(nn.Module):
    """One convolution of chance and two classes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 4, stride=4), nn.Linear(4, 2)
        with torch.no_grad():  # evidence for both classes in every sample
            self.conv.bias.fill_(1)
            self.fc.weight.abs_()

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture
def model():
    transform = read_transform({"channels": 3, "size": [64, 64]})
    watched = {"features": ["class:*"], "rule": "nonzero", "layer": "conv"}
    config = FovealConfig.from_mapping(watched, environ={})
    return AuditedModel("net", Net().eval(), transform, ("a", "b"), config, "d" * 64, "python:test:model")


@pytest.fixture
def library(tracking_uri):
    return Library(f"tiles {next(_NUMBERS)}", tracking_uri)


@pytest.fixture
def tissue(tmp_path):
    """Stained tissue of 1,024 x 1,024 pixels beside glass, and a small image; the tissue's own pixels."""
    picture = Image.fromarray(skimage.data.immunohistochemistry()).resize((1024, 1024))
    values = np.concatenate([np.asarray(picture), np.full((1024, 512, 3), 243, np.uint8)], axis=1)
    (tmp_path / "data" / "ihc").mkdir(parents=True)
    tifffile.imwrite(
        tmp_path / "data" / "ihc" / "slide.tif", values, tile=(256, 256), photometric="rgb",
        compression="zlib", compressionargs={"level": 1},
    )  # fmt: skip
    Image.fromarray(values[:90, :90]).save(tmp_path / "data" / "ihc" / "small.png")
    return tmp_path / "data", values


def slides_of(library):
    return {one["sample"]: dict(one["metadata"]) for one in library.samples().to_pylist()}


def test_crops_are_cut_out_of_the_slide(tissue, model, library):
    data, values = tissue
    done = collect(model, data, "training", library, tiles=Tiles(256, 64))
    assert (done.samples, done.empty_tiles, done.shared, done.already) == (31, 10, 74, 0)
    told = slides_of(library)
    assert told.pop("ihc/small.png") == {}
    assert {one["slide"] for one in told.values()} == {"ihc/slide.tif"}
    entries = [entry for entry in library.query().entries() if entry.sample in told]
    assert {entry.sample for entry in entries} == set(told)
    for entry in entries:
        top, left = map(int, told[entry.sample]["tile"].split(","))
        y0, x0, y1, x1 = entry.window
        assert max(y1, x1) <= 256
        np.testing.assert_array_equal(
            decode_crop(entry.crop, "crop"), values[top + y0 : top + y1, left + x0 : left + x1]
        )
    assert set(library.samples()["label"].to_pylist()) == {"ihc"}
    row = next(one for one in library.samples().to_pylist() if one["sample"].endswith("/192-0-448-256.npy"))
    with SampleExplainer(model, layer="conv") as explainer:
        explained = explainer.explain(Path(row["origin"]))
    assert explained.sha256 == row["sample_sha256"]
    np.testing.assert_array_equal(explained.original.values, values[192:448, :256])
    again = collect(model, data, "training", library, tiles=Tiles(256, 64))
    assert again == Collected(already=31, empty_tiles=10, shared=74)


def test_tiles_are_seen_as_files_of_their_own(tissue, model, library, tracking_uri, tmp_path):
    """The same parts, cut by hand and saved, give the same scores and the same entries."""
    data, values = tissue
    collect(model, data, "training", library, tiles=Tiles(512))
    for name, about in slides_of(library).items():
        top, left = map(int, about.get("tile", "0,0").split(","))
        part = values[top : top + 512, left : left + 512] if about else values[:90, :90]
        path = (tmp_path / "cut" / name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part).save(path, compress_level=1)
    twin = Library(f"tiles {next(_NUMBERS)}", tracking_uri)
    assert collect(model, tmp_path / "cut", "training", twin).samples == 5

    def seen(one):
        found = {str(row["sample"]).rpartition(".")[0]: row["scores"] for row in one.samples().to_pylist()}
        entries = one.query().entries()
        crops = {(e.sample.rpartition(".")[0], e.feature, e.window, e.activation, e.crop) for e in entries}
        return found, crops

    assert seen(library) == seen(twin)


def test_erasing_a_slide_erases_its_tiles(tissue, model, library):
    data, _ = tissue
    collect(model, data, "training", library, tiles=Tiles(512))
    some = next(name for name in slides_of(library) if "tif" in name)
    erase(library, Wanted("sample", some))
    assert len(library.samples()) == 4
    erase(library, Wanted("sample", "ihc/slide.tif"))
    assert list(slides_of(library)) == ["ihc/small.png"]


def test_erasing_a_slide_by_where_it_lies(tissue, model, library):
    data, _ = tissue
    collect(model, data, "training", library, tiles=Tiles(512))
    erase(library, Wanted("sample", str(data / "ihc" / "slide.tif")))
    assert list(slides_of(library)) == ["ihc/small.png"]


def test_a_damaged_tile_is_refused_or_skipped(tissue, model, library):
    data, _ = tissue
    path = data / "ihc" / "slide.tif"
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].dataoffsets[0]
    torn = bytearray(path.read_bytes())
    torn[place : place + 40] = b"\xff" * 40
    path.write_bytes(torn)
    torn_tile = "ihc/slide.tif/0-0-512-512.npy"
    with pytest.raises(UsageError, match=f"^Sample '{re.escape(torn_tile)}' cannot be read as TIFF: "):
        collect(model, data, "training", library, tiles=Tiles(512))
    assert not library.exists()
    done = collect(model, data, "training", library, tiles=Tiles(512), skip_unreadable=True)
    assert (done.samples, done.unreadable) == (4, (torn_tile,))
    losses = Path(library.url) / "losses"
    assert any(torn_tile in one.read_text() for one in losses.iterdir())
    erase(library, Wanted("sample", "ihc/slide.tif"))
    assert not any(torn_tile in one.read_text() for one in losses.iterdir())
    assert library.losses() == {"unreadable": 1}


def test_nothing_but_glass(tmp_path, model, library):
    (tmp_path / "data").mkdir()
    Image.fromarray(np.full((90, 90, 3), 255, np.uint8)).save(tmp_path / "data" / "glass.png")
    with pytest.raises(UsageError) as refused:
        collect(model, tmp_path / "data", "training", library, tiles=Tiles(64))
    assert str(refused.value) == (
        f"Every tile of '{tmp_path / 'data'}' holds one value only. "
        "Give images that show something, or no --tile."
    )
