"""Files without what they say beside the picture: every pixel stays, any damage is told by None."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal.samples.stripping import stripped

PIXELS = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)


def saved(form, mode="RGB", **how):
    out = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(out, form, **how)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(saved("PNG", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "LA")),
        saved("PNG", "P", transparency=3),
        saved("JPEG"),
        saved("JPEG", "L"),
        saved("JPEG", "CMYK"),
        saved("JPEG", progressive=True),
        saved("JPEG", restart_marker_rows=1),
        saved("JPEG", subsampling=2, quality=30),
        saved("JPEG", keep_rgb=True),
    ],
)
def test_every_pixel_stays(data):
    bare = stripped(data)
    np.testing.assert_array_equal(decode_image(bare, "x"), decode_image(data, "x"))
    assert stripped(bare) == bare
    assert len(bare) <= len(data)


def test_other_formats_are_not_touched():
    for form in ("GIF", "BMP", "TIFF", "WEBP"):
        assert stripped(saved(form)) is None
    assert stripped(b"") is None


@settings(max_examples=300, deadline=None)
@given(
    form=st.sampled_from(["PNG", "JPEG"]),
    place=st.integers(0, 2000),
    byte=st.integers(0, 255),
    cut=st.integers(0, 3000),
)
def test_what_is_damaged_is_given_back_as_it_reads_or_not_at_all(form, place, byte, cut):
    data = bytearray(saved(form, comment=b"x" * 50) if form == "JPEG" else saved(form))
    data[place % len(data)] = byte
    damaged = bytes(data[:cut])
    bare = stripped(damaged)
    if bare is None:
        return
    try:
        pixels = decode_image(damaged, "x")
    except UsageError:
        return
    np.testing.assert_array_equal(decode_image(bare, "x"), pixels)
