"""Decoding what nobody has vouched for, and PNG there and back."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import decode_image, encode_png, read_image

MEND = "Give a whole file of one of these formats: PNG, JPEG, BMP, TIFF, WEBP, GIF, PPM."


def saved(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@given(
    st.sampled_from([1, 3, 4]).flatmap(
        lambda channels: hnp.arrays(
            np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(channels))
        )
    )
)
@settings(deadline=None)
def test_png_there_and_back(pixels):
    again = decode_image(encode_png(pixels), "x")
    assert again.dtype == pixels.dtype
    assert np.array_equal(again, pixels)


@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1))))
@settings(deadline=None)
def test_wide_grey_there_and_back(pixels):
    again = decode_image(encode_png(pixels), "x")
    assert again.dtype == np.uint16
    assert np.array_equal(again, pixels)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 4), ("RGB", 3), ("RGBA", 4), ("P", 3), ("CMYK", 3), ("I;16", 1), ("I", 1)],
)
def test_modes(mode, channels):
    image = Image.new("L", (5, 4), 100).convert("RGB").convert("L" if mode.startswith("I") else mode)
    pixels = decode_image(saved(image.convert(mode), "TIFF" if mode in ("CMYK", "I") else "PNG"), "x")
    assert pixels.shape == (4, 5, channels)
    assert pixels.dtype == (np.uint16 if mode.startswith("I") else np.uint8)


def test_a_palette_with_a_transparent_colour_keeps_it():
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 1, 2, 3])
    image.putpixel((1, 0), 1)
    pixels = decode_image(saved(image, transparency=1), "x")
    assert pixels.tolist() == [[[9, 8, 7, 255], [1, 2, 3, 0]]]


def test_orientation_is_left_as_stored():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(saved(Image.new("RGB", (8, 4)), "JPEG", exif=exif), "x").shape == (4, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_formats(kind):
    assert decode_image(saved(Image.new("RGB", (6, 5), (10, 200, 30)), kind), "x").shape == (5, 6, 3)


def test_other_formats_and_bytes_are_refused():
    for data in (b"", b"no image", saved(Image.new("RGB", (4, 4)), "ICO")):
        with pytest.raises(UsageError) as caught:
            decode_image(data, "a/b.png")
        assert str(caught.value) == (
            f"Sample 'a/b.png' cannot be read as an image: unknown or damaged format. {MEND}"
        )


@given(st.data())
@settings(deadline=None, max_examples=150)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_damaged_files_give_a_usage_error_or_pixels(data):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))
    whole = bytearray(saved(image, data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"]))))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    # Nothing but a UsageError may come out.
    with suppress(UsageError):
        assert decode_image(bytes(whole), "x").ndim == 3


def test_a_cut_file_is_named():
    with pytest.raises(UsageError) as caught:
        decode_image(saved(Image.effect_noise((64, 64), 50))[:-500], "cut.png")
    assert str(caught.value).startswith("Sample 'cut.png' cannot be read as an image: ")


def _png_header(width, height):
    body = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + body
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("side", [8193, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_from_the_header_alone(side):
    empty = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(UsageError) as caught:
        decode_image(_png_header(side, side) + empty, "bomb.png")
    assert (
        str(caught.value)
        == "Sample 'bomb.png' has more than 64 Mi pixels. Cut or shrink it before sending it."
    )


@pytest.mark.parametrize("value", [-1, 70_000])
def test_integers_beyond_16_bits_are_refused(value):
    with pytest.raises(UsageError) as caught:
        decode_image(saved(Image.new("I", (2, 2), value), "TIFF"), "x.tif")
    assert str(caught.value) == "Sample 'x.tif' has pixels of mode 'I'. Save it with 8 or 16 bits a value."


def test_reading_files(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.new("L", (3, 2))))
    assert read_image(tmp_path / "a.png").shape == (2, 3, 1)
    for path, reason in ((tmp_path / "b.png", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError) as caught:
            read_image(path)
        assert str(caught.value) == f"Sample '{path}' cannot be read: {reason}. Check the path."
