"""PNG files that are not packed, read back by Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.samples import decode_image
from foveal.samples.png import stored_png


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([(np.uint8, 1), (np.uint8, 3), (np.uint8, 4), (np.uint16, 1)]),
    st.integers(0, 2**32 - 1),
)
def test_every_reader_gets_the_same_pixels_back(height, width, kind, seed):
    dtype, channels = kind
    random, shape = np.random.default_rng(seed), (height, width, channels)
    pixels = random.integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    back = decode_image(stored_png(pixels), "")
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)


def test_the_file_passes_pillows_own_check():
    with Image.open(io.BytesIO(stored_png(np.zeros((5, 7, 3), np.uint8)))) as image:
        image.verify()


def test_a_part_of_a_larger_array_is_written_as_it_is():
    whole = np.arange(3000, dtype=np.uint16).reshape(50, 60, 1)
    np.testing.assert_array_equal(decode_image(stored_png(whole[5:20, 7:31]), ""), whole[5:20, 7:31])


def test_two_channels_are_no_png():
    with pytest.raises(KeyError):
        stored_png(np.zeros((2, 2, 2), np.uint8))
