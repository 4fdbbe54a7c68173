"""TIFF that Pillow would refuse or bring down to 8 bits; all others stay Pillow's."""

import io
import zlib
from contextlib import suppress

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal.samples.pictures import decode_picture
from foveal.samples.tiffs import is_wide_tiff

RANDOM = np.random.default_rng(0)


def tiff(values, **how):
    out = io.BytesIO()
    tifffile.imwrite(out, values, **how)
    return out.getvalue()


def pixels(shape, dtype):
    return (RANDOM.random(shape) * 200).astype(dtype)


@pytest.mark.parametrize("packing", [None, "zlib"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize(
    ("shape", "dtype", "how"),
    [
        ((20, 30, 3), "u2", {"photometric": "rgb"}),
        ((20, 30, 5), "u1", {"photometric": "minisblack", "planarconfig": "contig"}),
        ((20, 30, 7), "u2", {"photometric": "minisblack", "planarconfig": "contig"}),
        ((20, 30), "f4", {}),
        ((20, 30), "i2", {}),
    ],
)
def test_what_pillow_cannot_give(shape, dtype, how, packing, order, tile):
    values = pixels(shape, dtype)
    data = tiff(values, compression=packing, byteorder=order, tile=tile, **how)
    decoded = decode_picture(data, "x").values
    assert decoded.dtype == values.dtype
    np.testing.assert_array_equal(decoded, values.reshape(20, 30, -1))


def test_planes_one_after_the_other():
    planes = pixels((6, 20, 30), "u2")
    data = tiff(planes, photometric="minisblack", planarconfig="separate")
    np.testing.assert_array_equal(decode_picture(data, "x").values, planes.transpose(1, 2, 0))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "1", "I;16"])
def test_all_others_are_pillows(mode):
    image = Image.fromarray(pixels((20, 30, 3), "u1")).convert("L" if mode == "I;16" else mode)
    out = io.BytesIO()
    (image.convert("I").convert("I;16") if mode == "I;16" else image).save(out, "TIFF")
    assert not is_wide_tiff(out.getvalue())
    np.testing.assert_array_equal(
        decode_picture(out.getvalue(), "x").values, decode_image(out.getvalue(), "x")
    )


def test_a_strip_that_unpacks_to_more_than_the_picture():
    data = tiff(
        pixels((20, 30, 5), "u1"), photometric="minisblack", planarconfig="contig", compression="zlib"
    )
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    bomb = zlib.compress(bytes(50_000_000), 9)
    where = page.tags["StripByteCounts"].valueoffset, page.tags["StripOffsets"].valueoffset
    damaged = bytearray(data + bomb)
    damaged[where[0] : where[0] + 4] = len(bomb).to_bytes(4, "little")
    damaged[where[1] : where[1] + 4] = len(data).to_bytes(4, "little")
    with pytest.raises(UsageError) as refused:
        decode_picture(bytes(damaged), "x")
    assert str(refused.value) == "Sample 'x' unpacks to more than its size. Send the file as it was saved."


def test_other_packings_are_named():
    data = bytearray(tiff(pixels((20, 30, 5), "u1"), photometric="minisblack", planarconfig="contig"))
    page = tifffile.TiffFile(io.BytesIO(bytes(data))).pages[0]
    place = page.tags["Compression"].valueoffset
    data[place : place + 2] = (50000).to_bytes(2, "little")
    with pytest.raises(UsageError) as refused:
        decode_picture(bytes(data), "x")
    assert str(refused.value) == "Sample 'x' is TIFF of compression 50000. Save it with deflate or unpacked."


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255), cut=st.integers(8, 4000))
def test_any_damage_gives_a_picture_or_one_line(place, byte, cut):
    data = bytearray(tiff(np.zeros((20, 30, 5), np.uint8), photometric="minisblack", planarconfig="contig"))
    data[place] = byte
    with suppress(UsageError):
        decode_picture(bytes(data[:cut]), "x")
