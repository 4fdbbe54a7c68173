"""NIfTI: as nibabel reads it; damaged files and headers that lie get one line."""

import gzip
import io
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.samples.volumes import decode_volume
from foveal.samples.volumes.nifti import decode_nifti, is_nifti

REAL = Path(nibabel.__file__).parent / "tests" / "data"
RANDOM = np.random.default_rng(0)


def theirs(data):
    """Read a volume as nibabel does, to (z, y, x, C)."""
    opened = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    kind = nibabel.Nifti1Image if opened[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c") else nibabel.Nifti2Image
    image = kind.from_bytes(opened)
    values = np.nan_to_num(image.get_fdata(), nan=0)
    while values.ndim < 4:
        values = values[..., None]
    return values.reshape(*values.shape[:3], -1, order="F").transpose(2, 1, 0, 3)


@pytest.mark.parametrize(
    "name",
    ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "standard.nii.gz",
     "reoriented_anat_moved.nii", "resampled_anat_moved.nii"],
)  # fmt: skip
def test_real_volumes_of_three_and_four_axes_are_nibabels(name):
    data = (REAL / name).read_bytes()
    decoded = decode_volume(data, name)
    np.testing.assert_allclose(decoded.values, theirs(data), rtol=1e-6, atol=1e-6)
    told = nibabel.load(REAL / name).header
    known = told.get_xyzt_units()[0] != "unknown"
    assert decoded.spacing == (pytest.approx(told.get_zooms()[2::-1]) if known else ())
    assert decoded.tags == {}


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_type_in_both_byte_orders(kind, order, dtype):
    values = (RANDOM.random((4, 3, 5, 2)) * 100).astype(np.dtype(dtype))
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.dtype(dtype))
    data = kind(values, np.eye(4), header).to_bytes()
    assert is_nifti(data)
    decoded = decode_nifti(data, "x")
    assert decoded.values.dtype in (np.uint8, np.uint16, np.int16, np.float32)
    np.testing.assert_allclose(decoded.values, values.transpose(2, 1, 0, 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("slope", "intercept", "kept"), [(2, -7, np.int16), (0.5, 0, np.float32), (0, 9, np.int16)]
)
def test_scaling(slope, intercept, kept):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<ff", data, 112, slope, intercept)
    decoded = decode_nifti(bytes(data), "x")
    assert decoded.values.dtype == kept
    np.testing.assert_allclose(decoded.values, theirs(bytes(data)))


def test_colours_are_channels():
    colours = RANDOM.integers(0, 255, (2, 3, 4, 3), dtype=np.uint8)
    packed = np.ascontiguousarray(colours).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    data = nibabel.Nifti1Image(packed, np.eye(4)).to_bytes()
    np.testing.assert_array_equal(decode_nifti(data, "x").values, colours.transpose(2, 1, 0, 3))


def test_what_is_no_number_is_nothing():
    values = np.array([[[np.nan, 1.5]]], np.float32)
    data = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    assert decode_nifti(data, "x").values.ravel().tolist() == [0, 1.5]


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("mm", 1), ("micron", 0.001)])
def test_steps_are_in_millimetres(unit, factor):
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.diag([2, 3, 5, 1]))
    image.header.set_xyzt_units(unit)
    assert decode_nifti(image.to_bytes(), "x").spacing == pytest.approx((5 * factor, 3 * factor, 2 * factor))
    image.header.set_xyzt_units("unknown")
    assert decode_nifti(image.to_bytes(), "x").spacing == ()


def header(**fields):
    """Write a small volume whose header says something else."""
    data = bytearray(nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4)).to_bytes())
    places = {"dim": (40, "<8h"), "datatype": (70, "<h"), "vox_offset": (108, "<f")}
    for name, value in fields.items():
        offset, form = places[name]
        struct.pack_into(form, data, offset, *(value if isinstance(value, tuple) else (value,)))
    return bytes(data)


NOISE = nibabel.Nifti1Image(RANDOM.random((6, 7, 8)), np.eye(4)).to_bytes()
UNREADABLE = (
    "Sample 'x' is NIfTI with a header that cannot be read. "
    "Save it as one .nii or .nii.gz file of whole or real numbers."
)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (header()[:-1], "Sample 'x' is NIfTI that is cut short. Send the whole file."),
        (gzip.compress(NOISE)[:-200], "Sample 'x' is NIfTI that is cut short. Send the whole file."),
        (header(datatype=32), UNREADABLE),  # complex numbers
        (header(dim=(0, 1, 1, 1, 1, 1, 1, 1)), UNREADABLE),
        (header(dim=(3, 2, -3, 4, 1, 1, 1, 1)), UNREADABLE),
        (header(vox_offset=float("nan")), UNREADABLE),
        (header(vox_offset=3.0), UNREADABLE),
        (
            header(dim=(7, *(30000,) * 7)),
            (
                f"Sample 'x' promises {30000**7} values, 1 to 268435456 are read. "
                "Cut or shrink it before sending it."
            ),
        ),
    ],
)
def test_headers_that_lie(data, line):
    with pytest.raises(UsageError) as refused:
        decode_nifti(data, "x")
    assert str(refused.value) == line


def test_a_file_that_unpacks_without_end_is_unpacked_no_further_than_promised():
    bomb = header() + bytes(200_000_000)
    packed = gzip.compress(bomb, 9)
    del bomb
    tracemalloc.start()
    assert decode_nifti(packed, "x").values.shape == (4, 3, 2, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 399), byte=st.integers(0, 255), cut=st.integers(0, 400), packed=st.booleans())
def test_any_damage_gives_a_volume_or_one_line(place, byte, cut, packed):
    data = bytearray(header())
    data[place] = byte
    damaged = bytes(data[:cut])
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as stream:
        stream.write(damaged)
    with suppress(UsageError):
        decode_volume(out.getvalue() if packed else damaged, "x")
