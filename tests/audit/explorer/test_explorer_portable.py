"""Pictures of a screen of entries, made without a detour: they are what Pillow makes and reads."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from foveal.samples import encode_png
from foveal_audit.explorer import tiles
from foveal_audit.explorer.portable import indexed_png, plain_size

PALETTE, OPACITY = bytes(range(12)), bytes([0, 90, 180, 255])


def read(address):
    kind, data = address.split(",", 1)
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def crop(height=6, width=9, channels=1, depth=np.uint8):
    rng = np.random.default_rng(height * width)
    return rng.integers(0, np.iinfo(depth).max, (height, width, channels), depth, endpoint=True)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_a_picture_of_few_colours_is_read_as_it_was_written(height, width, seed):
    numbers = np.random.default_rng(seed).integers(0, 4, (height, width), np.uint8)
    image = Image.open(io.BytesIO(indexed_png(numbers, PALETTE, OPACITY)))
    image.load()
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), numbers)
    colours = np.frombuffer(PALETTE, np.uint8).reshape(4, 3)
    expected = np.concatenate([colours, np.frombuffer(OPACITY, np.uint8)[:, None]], axis=1)
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), expected[numbers])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_crop_is_sent_as_it_was_kept(channels):
    data = encode_png(crop(channels=channels))
    assert plain_size(data, 192) == (9, 6)
    address, size = tiles.crop_uri(data, "x")
    assert (base64.b64decode(address.split(",")[1]), size) == (data, (9, 6))


@pytest.mark.parametrize(
    "pixels",
    [crop(channels=4), crop(depth=np.uint16), crop(height=193), crop(width=193)],
    ids=lambda one: one.shape,
)
def test_any_other_crop_is_drawn_for_the_eye(pixels):
    data = encode_png(pixels)
    assert plain_size(data, 192) is None
    address, size = tiles.crop_uri(data, "x")
    picture = tiles.crop_picture(data, "x")
    assert size == picture.size
    np.testing.assert_array_equal(np.asarray(read(address)), np.asarray(picture))


def test_a_window_of_values_is_drawn():
    data = encode_png(np.full((4, 4, 1), 64, np.uint8))
    address, size = tiles.crop_uri(data, "x", (0.0, 0.5))
    assert size == (4, 4)
    assert np.asarray(read(address)).tolist() == [[[128, 128, 128]] * 4] * 4


def with_text():
    told, out = PngImagePlugin.PngInfo(), io.BytesIO()
    told.add_text("patient", "somebody")
    Image.fromarray(crop()[..., 0]).save(out, "PNG", pnginfo=told)
    return out.getvalue()


def of(width, height, lines):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


NOT_PLAIN = {
    "empty": b"",
    "signature": b"\x89PNG\r\n\x1a\n",
    "svg": b"<svg/>",
    "text": with_text(),
    "tail": of(2, 2, bytes(6)) + b"more",
    "too few": of(2, 2, bytes(5)),
    "too many": of(2, 2, bytes(7)),
    "no such filter": of(2, 2, b"\x05" + bytes(5)),
    "bomb": of(2, 2, bytes(1 << 20)),
    "no width": of(0, 2, b""),
    "too wide": of(1 << 31, 1, b""),
}


@pytest.mark.parametrize("data", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_no_plain_crop_is_never_sent_as_it_is(data):
    assert plain_size(of(2, 2, bytes(6)), 192) == (2, 2)
    assert plain_size(data, 192) is None


@given(st.data())
def test_no_damage_is_sent_as_it_is(data):
    whole = encode_png(crop())
    at, value = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    flipped = whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :]
    assert plain_size(flipped, 192) is None
    assert plain_size(whole[:at], 192) is None


MAPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([(8, 8), (9, 5), (1, 1)])), max_size=7
)


@given(MAPS, st.integers(0, 99))
@example([(2, 2, (8, 8)), (3, 2, (8, 8)), (2, 2, (9, 5)), (2, 2, (8, 8)), (0, 3, (8, 8))], 0)
def test_maps_drawn_together_are_those_drawn_one_by_one(shapes, seed):
    rng = np.random.default_rng(seed)
    maps = [(rng.normal(size=h * w).astype(np.float32).tolist(), (h, w)) for h, w, _ in shapes]
    sizes = [size for *_, size in shapes]
    together = tiles.layer_uris(maps, sizes)
    for (values, shape), size, addresses in zip(maps, sizes, together, strict=True):
        alone = tiles.map_layers(values, shape, size)
        if alone == (None, None):
            assert addresses == ("", "")
            continue
        for address, image in zip(addresses, alone, strict=True):
            ours, theirs = (np.asarray(one.convert("RGBA")) for one in (read(address), image))
            np.testing.assert_array_equal(ours, theirs)


def test_a_map_of_another_number_of_values_or_axes_is_none():
    maps = [([1.0], (2, 2)), ([1.0], (1, 1, 1, 1)), ([np.nan, -1.0], (1, 2))]
    drawn = tiles.layer_uris(maps, [(8, 8)] * 3)
    assert drawn[:2] == [("", "")] * 2
    assert np.asarray(read(drawn[2][0]).convert("RGBA"))[..., 3].max() == 0
