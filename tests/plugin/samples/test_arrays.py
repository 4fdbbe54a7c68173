"""Samples and crops as bytes: whatever has a sample's form comes back, and headers are not believed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal.errors import UsageError
from foveal.samples.arrays import decode_crop, decode_sample, encode_array, encode_crop
from foveal.samples.numpy_files import as_sample, decode_npy
from foveal.samples.values import FULL_SCALE, axes_of

shapes = hnp.array_shapes(min_dims=2, max_dims=4, max_side=5)
numbers = {"elements": st.floats(-9, 9, width=32)}
samples = st.sampled_from(sorted(FULL_SCALE, key=str)).flatmap(
    lambda kind: hnp.arrays(kind, shapes, **(numbers if kind.kind == "f" else {}))
)


@given(samples)
def test_every_sample_comes_back(values):
    for write, read in ((encode_array, decode_sample), (encode_crop, decode_crop)):
        again = read(write(values), "s")
        assert again.dtype == values.dtype
        np.testing.assert_array_equal(again, values)
    assert axes_of(values) == values.ndim - 1


@pytest.mark.parametrize(
    ("shape", "kind", "magic"),
    [
        ((4, 5, 1), np.uint8, b"\x89PNG"),
        ((4, 5, 3), np.uint8, b"\x89PNG"),
        ((4, 5, 4), np.uint8, b"\x89PNG"),
        ((4, 5, 1), np.uint16, b"\x89PNG"),
        ((4, 5, 3), np.uint16, b"\x93NUM"),  # of which Pillow would read 8 bits
        ((4, 5, 7), np.uint8, b"\x93NUM"),
        ((4, 5, 1), np.float32, b"\x93NUM"),
        ((40, 2), np.uint8, b"\x93NUM"),
        ((4, 5, 6, 1), np.uint8, b"\x93NUM"),
    ],
)
def test_pictures_are_pngs_and_all_else_arrays(shape, kind, magic):
    assert encode_crop(np.ones(shape, kind)).startswith(magic)


def npy(values, **how):
    out = io.BytesIO()
    np.save(out, values, **how)
    return out.getvalue()


@pytest.mark.parametrize("values", [np.ones((3, 2)), np.ones(7, np.uint8), np.ones((2,) * 5, np.uint8)])
def test_what_is_no_sample(values):
    with pytest.raises(UsageError) as caught:
        decode_sample(npy(values), "s")
    assert str(caught.value) == (
        f"Sample 's' is an array {values.shape} of {values.dtype}. "
        "Give one to three axes and channels, of uint8, uint16, int16 or float32."
    )


def lying(shape, kind="|u1", held=4):
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(held)


@pytest.mark.parametrize("shape", [(2**40, 2), (2**62, 2**62), (0, 2), (-4, -1), (5, 1)])
@pytest.mark.parametrize("read", [decode_sample, lambda data, name: decode_npy(data, name, axes=1)])
def test_a_header_that_promises_other_than_there_is(shape, read):
    with pytest.raises(UsageError) as caught:
        read(lying(shape), "s")
    assert str(caught.value).startswith(f"Sample 's' is an array {shape} of uint8 in 4 bytes. ")


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\x93NUMPY" + tail))
def test_no_bytes_do_anything_but_fail_in_words(data):
    for read in (decode_sample, lambda data, name: decode_npy(data, name, axes=1)):
        with pytest.raises(UsageError, match="'s'"):
            read(data, "s")


def test_objects_are_never_unpickled():
    data = npy(np.array([print, 1], object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"Sample 's' is an array \(2,\) of object"):
        decode_npy(data, "s", axes=1)


@pytest.mark.parametrize(
    ("given_", "kind"),
    [
        (np.arange(4, dtype=np.int64), np.float32),
        (np.arange(4, dtype=">i2"), np.int16),
        (np.arange(4, dtype=np.uint8), np.uint8),
        (np.arange(4, dtype=np.float64), np.float32),
        (np.array([True, False]), np.float32),
    ],
)
def test_arrays_of_people(given_, kind):
    values = decode_npy(npy(given_), "s", axes=1)
    assert (values.shape, values.dtype) == ((len(given_), 1), kind)
    np.testing.assert_array_equal(values[:, 0], given_)


def test_columns_first_and_channels():
    wanted = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(decode_npy(npy(np.asfortranarray(wanted)), "s", axes=1), wanted)


@pytest.mark.parametrize("values", [np.ones((2, 3, 4)), np.ones(3, complex), np.array(["a"]), np.array(1.0)])
def test_arrays_of_another_form(values):
    with pytest.raises(UsageError, match="Sample 's' is an array"):
        decode_npy(npy(values), "s", axes=1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite(wrong):
    with pytest.raises(UsageError) as caught:
        as_sample(np.array([[1.0], [wrong]]), "s")
    assert str(caught.value) == (
        "Sample 's' holds numbers that are not finite. Fill the missing values before sending it."
    )
