"""Tiles as files: named by where they lie, read alone, and listed in the place of their image."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import images, large
from foveal.samples.cutting import Tiles, cut_samples
from foveal.samples.kinds import Tile, get_kind, read_any
from foveal.samples.listing import SampleFile, list_samples
from foveal.samples.tile_files import cut, read_picture
from foveal.samples.tile_names import parted, tile_name, whole_name

KIND = get_kind("image")


def values_of(shape, dtype="u1"):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


def slide(path, values, **how):
    tifffile.imwrite(path, values, tile=(64, 64), **{"photometric": "rgb", "compression": "zlib", **how})
    return path


@given(st.text(min_size=1), st.tuples(*[st.integers(0, 10**6)] * 4))
def test_a_name_gives_back_what_it_was_made_of(whole, window):
    assert parted(tile_name(whole, window)) == (whole, window)
    assert whole_name(tile_name(whole, window)) == whole


@pytest.mark.parametrize("name", ["a.png", "0-0-1-1.npy", "a/0-0-1.npy", "a/0-0-1-1.png", "a/0-0-1-1.npy/b"])
def test_other_names_are_no_tiles(name):
    assert parted(name) is None
    assert whole_name(name) == name


@pytest.mark.parametrize(
    ("values", "save"),
    [
        pytest.param(values_of((150, 210, 3)), slide, id="tiled TIFF"),
        pytest.param(
            values_of((150, 210, 3), "u2"), lambda path, one: slide(path, one, byteorder=">"), id="16 bits"
        ),
        pytest.param(
            values_of((150, 210, 5)),
            lambda path, one: slide(path, one, photometric="minisblack", planarconfig="contig"),
            id="5 channels",
        ),
        pytest.param(
            values_of((150, 210, 3)),
            lambda path, one: Image.fromarray(one).save(path, "PNG", compress_level=0),
            id="PNG",
        ),
    ],
)
@pytest.mark.parametrize(("side", "overlap"), [(64, 0), (100, 30)])
def test_tiles_are_what_slicing_the_whole_gives(tmp_path, values, save, side, overlap):
    path = tmp_path / "slide.tif"
    save(path, values)
    seen = np.zeros(values.shape[:2], bool)
    for tile in cut(path, side, overlap):
        y0, x0, y1, x1 = tile.window
        data = read_any(tile.path)
        assert data == KIND.read(tile.path)
        np.testing.assert_array_equal(KIND.decode(data, "t").values, values[y0:y1, x0:x1])
        seen[y0:y1, x0:x1] = True
    assert seen.all()


def test_by_hand(tmp_path):
    """70 x 100 pixels in tiles of 64: rows that share 58, columns that share 28, one tile of glass."""
    values = values_of((70, 100, 3))
    values[6:, 36:] = (250, 240, 250)
    path = slide(tmp_path / "s.tif", values)
    starts = [(0, 0), (0, 36), (6, 0), (6, 36)]
    assert list(cut(path, 64, 0)) == [
        Tile(path / f"{y}-{x}-{y + 64}-{x + 64}.npy", (y, x, y + 64, x + 64), empty=(y, x) == (6, 36))
        for y, x in starts
    ]
    assert list(cut(path, 100, 0)) == []
    file = SampleFile("b/s.tif", path, "b", None, {"site": "A", "slide": "my own"})
    told = []
    found = cut_samples([file], KIND, Tiles(64), lambda *words: told.append(words))
    assert (found.empty, found.shared) == (1, 58)
    assert [one.name for one in found.samples] == [
        f"b/s.tif/{y}-{x}-{y + 64}-{x + 64}.npy" for y, x in starts[:3]
    ]
    assert [one.metadata["tile"] for one in found.samples] == ["0,0", "0,36", "6,0"]
    assert {
        (one.label, one.metadata["site"], one.metadata["slide"], one.within) for one in found.samples
    } == {("b", "A", "my own", path)}
    assert told == [("cutting", 1, 1)]


def test_what_is_small_or_cannot_be_opened_stays_one_sample(tmp_path):
    Image.fromarray(values_of((20, 30, 3))).save(tmp_path / "small.png")
    (tmp_path / "torn.png").write_bytes(b"nothing")
    files = list_samples(tmp_path)
    assert cut_samples(files, KIND, Tiles(64), lambda *_: None) == (files, 0, 0)


def test_palettes_are_decoded_whole(tmp_path):
    """A tile's numbers there are no colours."""
    path = tmp_path / "p.tif"
    colours = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256) * 64
    tifffile.imwrite(path, values_of((80, 80)), tile=(16, 16), photometric="palette", colormap=colours)
    whole = KIND.decode(KIND.read(path), "p").values
    assert whole.shape == (80, 80, 3)
    np.testing.assert_array_equal(
        KIND.decode(KIND.read(path / "8-8-40-40.npy"), "t").values, whole[8:40, 8:40]
    )


def test_a_slide_larger_than_any_image_takes_the_memory_of_a_tile(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 10**6)
    path, shape = tmp_path / "s.tif", (2560, 2560, 3)  # 20 MB
    blank = np.zeros((256, 256, 3), np.uint8)
    tifffile.imwrite(
        path, (blank for _ in range(100)), shape=shape, dtype="u1", tile=(256, 256), photometric="rgb",
        compression="zlib",
    )  # fmt: skip
    with pytest.raises(UsageError, match="has more than 0 Mi pixels"):
        KIND.decode(read_picture(path), "s.tif")
    tracemalloc.start()
    tiles = list(cut(path, 512, 128))
    data = read_picture(tiles[-1].path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(tiles) == 49
    assert len(data) == 512 * 512 * 3 + 128
    assert peak < 5_000_000


def test_an_image_without_tiles_is_decoded_once_for_all_of_them(tmp_path, monkeypatch):
    Image.fromarray(values_of((90, 90, 3))).save(tmp_path / "s.png")
    read, decoded = large.read_file, []
    monkeypatch.setattr(large, "read_file", lambda path: decoded.append(path) or read(path))
    for tile in cut(tmp_path / "s.png", 40, 10):
        read_picture(tile.path)
    assert len(decoded) == 1
    Image.fromarray(np.zeros((91, 90, 3), np.uint8)).save(tmp_path / "s.png")
    assert read_picture(tmp_path / "s.png" / "0-0-5-5.npy")[-75:] == bytes(75)
    assert len(decoded) == 2


def test_what_is_refused(tmp_path):
    path = slide(tmp_path / "s.tif", values_of((80, 80, 3)))
    refused = {
        (lambda: read_picture(path / "70-0-90-20.npy")): (
            f"Tile '{path / '70-0-90-20.npy'}' lies outside of its image, which has 80 x 80 pixels. "
            "Cut it anew: it is not the image that was cut."
        ),
        (lambda: read_picture(tmp_path / "gone.tif" / "0-0-5-5.npy")): (
            f"Sample '{tmp_path / 'gone.tif' / '0-0-5-5.npy'}' cannot be read: No such file or directory. "
            "Check the path."
        ),
        (lambda: Tiles(4097)): "Tiles of 4097 are too large. Give a side up to 4096.",
        (lambda: Tiles(64, 64)): "Tiles of 64 cannot share 64. Give an overlap from 0 to 63.",
        (lambda: cut_samples([], get_kind("volume"), Tiles(64), print)): (
            "Samples of kind 'volume' are not cut into tiles. Leave --tile out."
        ),
    }
    for act, words in refused.items():
        with pytest.raises(UsageError) as caught:
            act()
        assert str(caught.value) == words


def test_a_file_that_is_called_like_a_tile_is_itself(tmp_path):
    np.save(tmp_path / "0-0-5-5.npy", np.zeros((5, 5), np.uint8))
    assert read_picture(Path(tmp_path / "0-0-5-5.npy")) == (tmp_path / "0-0-5-5.npy").read_bytes()
