"""Tiles: they cover everything, their maps become one, and large files are read by parts."""

import io
import struct
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import tiles
from foveal.samples.large import OpenImage
from foveal.samples.tiles import Stitcher, tile_windows

RANDOM = np.random.default_rng(0)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(2, 40), st.data())
@settings(deadline=None)
def test_tiles_cover_every_pixel_and_share_what_they_should(height, width, tile, data):
    overlap = data.draw(st.integers(0, tile - 1))
    windows = list(tile_windows((height, width), (tile, tile), overlap))
    seen = np.zeros((height, width), int)
    for y0, x0, y1, x1 in windows:
        assert (y1 - y0, x1 - x0) == (min(tile, height), min(tile, width))
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    starts = sorted({window[0] for window in windows})
    assert all(second - first <= max(1, tile - overlap) for first, second in pairwise(starts))
    assert len(set(windows)) == len(windows)


def test_tiles_of_three_axes():
    windows = list(tile_windows((4, 5, 6), (2, 5, 4), 0))
    assert len(windows) == 4
    assert windows[0] == (0, 0, 0, 2, 5, 4)
    assert windows[-1] == (2, 0, 2, 4, 5, 6)


def test_an_overlap_that_leaves_nothing():
    with pytest.raises(UsageError) as refused:
        list(tile_windows((10, 10), (4, 4), 4))
    assert str(refused.value) == "Tiles of 4 cannot share 4. Give an overlap from 0 to 3."


def naive(maps, sides, shape):
    """Stitch cell by cell."""
    stitched = np.zeros(shape)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = (row + 0.5) * sides[0] / shape[0], (column + 0.5) * sides[1] / shape[1]
            total = weight = 0.0
            for (y0, x0, y1, x1), map_ in maps:
                if not (y0 <= y < y1 and x0 <= x < x1):
                    continue
                shares = (y - y0) / (y1 - y0), (x - x0) / (x1 - x0)
                own = np.prod([0.02 + 0.98 * (1 - abs(2 * share - 1)) for share in shares])
                total += own * bilinear(map_, *shares)
                weight += own
            stitched[row, column] = total / weight if weight else 0
    return stitched


def bilinear(map_, down, across):
    def between(share, cells):
        place = min(max(share * cells - 0.5, 0), cells - 1)
        low = min(int(place), max(cells - 2, 0))
        return low, min(low + 1, cells - 1), place - low

    top, bottom, dy = between(down, map_.shape[0])
    left, right, dx = between(across, map_.shape[1])
    upper = map_[top, left] * (1 - dx) + map_[top, right] * dx
    lower = map_[bottom, left] * (1 - dx) + map_[bottom, right] * dx
    return upper * (1 - dy) + lower * dy


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 40), st.integers(5, 40), st.integers(4, 16), st.integers(1, 5), st.integers(0, 3))
def test_stitching_is_the_naive_one(height, width, tile, cells, overlap):
    windows = list(tile_windows((height, width), (tile, tile), overlap))
    rng = np.random.default_rng(height * width)
    maps = [(window, rng.normal(size=(cells, cells))) for window in windows]
    stitcher = Stitcher((height, width), 1.5)
    for window, map_ in maps:
        stitcher.add(map_, window)
    found = stitcher.map()
    np.testing.assert_allclose(found, naive(maps, (height, width), found.shape), atol=1e-4)


def test_one_map_for_all_stays_it_and_memory_is_bounded(monkeypatch):
    stitcher = Stitcher((1000, 800), 10)
    for window in tile_windows((1000, 800), (256, 256), 64):
        stitcher.add(np.full((8, 8), 3.0), window)
    np.testing.assert_allclose(stitcher.map(), 3, rtol=1e-5)
    assert stitcher.map().shape == (100, 80)
    monkeypatch.setattr(tiles, "MAX_CELLS", 1000)
    assert np.prod(Stitcher((100_000, 100_000), 1).map().shape) <= 1024


def slide(path, shape=(700, 900, 3), tile=(128, 128), dtype="u1", **how):
    values = (RANDOM.random(shape) * 255).astype(dtype)
    smooth = np.kron(values[::20, ::20], np.ones((20, 20, 1), dtype))[: shape[0], : shape[1]]
    tifffile.imwrite(path, smooth, tile=tile, **how)
    return smooth


@pytest.mark.parametrize(
    ("dtype", "channels", "how"),
    [
        ("u1", 3, {"photometric": "rgb"}),
        ("u1", 3, {"photometric": "rgb", "compression": "zlib"}),
        ("u2", 3, {"photometric": "rgb", "compression": "zlib", "byteorder": ">"}),
        ("u2", 1, {"photometric": "minisblack"}),
        ("u1", 6, {"photometric": "minisblack", "planarconfig": "contig"}),
    ],
)
def test_parts_of_a_tiled_file_are_those_of_the_whole(tmp_path, dtype, channels, how):
    values = slide(tmp_path / "s.tif", (700, 900, channels), dtype=dtype, **how)
    with OpenImage(tmp_path / "s.tif") as image:
        assert image.shape == (700, 900, channels)
        for window in ((0, 0, 700, 900), (100, 250, 101, 251), (127, 127, 400, 641), (650, 850, 700, 900)):
            y0, x0, y1, x1 = window
            np.testing.assert_array_equal(image.read(window), values[y0:y1, x0:x1])


def jpeg_tiles(values, colours, stream):
    """Pack 64 x 64 tiles as JPEG; `stream` 0 with their tables, 2 without; 1 is the tables alone."""
    for top in range(0, values.shape[0], 64):
        for left in range(0, values.shape[1], 64):
            out = io.BytesIO()
            part = Image.fromarray(values[top : top + 64, left : left + 64])
            part.save(out, "JPEG", quality=95, subsampling=0, keep_rgb=colours == "RGB", streamtype=stream)
            yield out.getvalue()


def scanner_file(values, colours, shared):
    """Write a TIFF of JPEG tiles by hand, as scanners do; tables before all tiles, or in each."""
    packed = list(jpeg_tiles(values, colours, 2 if shared else 0))
    tables = next(jpeg_tiles(values, colours, 1)) if shared else b""
    blob, offsets = b"", []
    for one in (*packed, tables, struct.pack("<3H", 8, 8, 8)):
        offsets.append(8 + len(blob))
        blob += one + b"\0" * (len(one) % 2)
    lists = 8 + len(blob)
    count = len(packed)
    blob += struct.pack(f"<{2 * count}I", *offsets[:count], *map(len, packed))
    tags = [
        (256, 4, 1, values.shape[1]), (257, 4, 1, values.shape[0]), (258, 3, 3, offsets[count + 1]),
        (259, 3, 1, 7), (262, 3, 1, 2 if colours == "RGB" else 6), (277, 3, 1, 3), (322, 4, 1, 64),
        (323, 4, 1, 64), (324, 4, count, lists), (325, 4, count, lists + 4 * count),
    ]  # fmt: skip
    if shared:
        tags.append((347, 7, len(tables), offsets[count]))
    head = b"II*\0" + struct.pack("<I", 8 + len(blob))
    return (
        head
        + blob
        + struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", *one) for one in tags)
        + bytes(4)
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("colours", ["YCbCr", "RGB"])
def test_tiles_that_are_jpeg(tmp_path, colours, shared):
    values = np.kron(RANDOM.integers(0, 255, (16, 16, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    (tmp_path / "s.tif").write_bytes(scanner_file(values, colours, shared))
    with OpenImage(tmp_path / "s.tif") as opened:
        part = opened.read((10, 70, 200, 256)).astype(int)
    assert np.abs(part - values[10:200, 70:256]).mean() < 6


def test_an_image_of_another_format_is_decoded_whole(tmp_path):
    values = RANDOM.integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "s.png")
    with OpenImage(tmp_path / "s.png") as image:
        np.testing.assert_array_equal(image.read((3, 4, 20, 30)), values[3:20, 4:30])


def test_memory_is_that_of_a_window(tmp_path):
    path = tmp_path / "s.tif"
    blank = np.zeros((256, 256, 3), np.uint8)
    shape = (6144, 6144, 3)  # 113 MB
    tifffile.imwrite(
        path, (blank for _ in range(24 * 24)), shape=shape, dtype="u1", tile=(256, 256), photometric="rgb",
        compression="zlib",
    )  # fmt: skip
    tracemalloc.start()
    with OpenImage(path) as image:
        assert image.shape == shape
        assert image.read((5000, 5000, 5300, 5300)).max() == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_damaged_tile_gives_one_line(tmp_path):
    path = tmp_path / "s.tif"
    slide(path, compression="zlib", photometric="rgb")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    with (
        OpenImage(path) as image,
        pytest.raises(UsageError, match=r"^Sample 's\.tif' cannot be read as TIFF: "),
    ):
        image.read((0, 0, 10, 10))
    with pytest.raises(UsageError, match=r"cannot be read: No such file or directory"):
        OpenImage(tmp_path / "none.tif")
