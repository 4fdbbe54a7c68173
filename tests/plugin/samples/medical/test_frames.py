"""DICOM pixels: units, colours, frames, and one clear line for what cannot be read."""

import io
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from foveal.errors import EnvironmentFault, UsageError
from foveal.samples.medical import dataset as dataset_module
from foveal.samples.medical.frames import read_frames
from foveal.samples.pictures import decode_picture

RAMP = np.arange(48, dtype=np.int16).reshape(6, 8)
DAMAGED = (
    "Sample 'x' cannot be read as DICOM: it is damaged, cut short or lacks what an image needs. "
    "Send a whole DICOM file with an image, as the archive stores it."
)


def test_a_ct_is_in_hounsfield_units(example):
    data = example("CT_small.dcm")
    dataset = pydicom.dcmread(io.BytesIO(data))
    decoded = decode_picture(data, "x")
    expected = apply_modality_lut(dataset.pixel_array, dataset)
    np.testing.assert_array_equal(decoded.values[..., 0], expected)
    assert decoded.values.dtype == np.int16
    assert decoded.spacing == (0.661468, 0.661468)
    assert decoded.tags["Modality"] == "CT"
    assert decoded.tags["Manufacturer"] == "GE MEDICAL SYSTEMS"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("examples_palette.dcm", (1, 350, 800, 3)),
        ("examples_rgb_color.dcm", (1, 240, 320, 3)),
        ("examples_ybr_color.dcm", (30, 240, 320, 3)),
        ("examples_jpeg2k.dcm", (1, 480, 640, 3)),
    ],
)
def test_ultrasound_is_in_colour(example, name, shape):
    frames = read_frames(example(name), "x")
    assert frames.values.shape == shape
    assert frames.values.dtype == np.uint8


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm",
     "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm"],
)  # fmt: skip
def test_every_packing_gives_the_same_picture(example, name):
    plain = read_frames(example("MR_small.dcm"), "x")
    np.testing.assert_array_equal(read_frames(example(name), "x").values, plain.values)


def test_an_inflated_file_is_read(example):
    assert read_frames(example("image_dfl.dcm"), "x").values.shape == (1, 512, 512, 1)


def test_fractions_of_a_unit_are_kept(make_dicom):
    data = make_dicom(RAMP, RescaleSlope=0.5, RescaleIntercept=-3)
    values = read_frames(data, "x").values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0, ..., 0], RAMP * 0.5 - 3)


def test_what_does_not_fit_16_bits_is_kept(make_dicom):
    data = make_dicom(RAMP, RescaleSlope=1000, RescaleIntercept=0)
    np.testing.assert_allclose(read_frames(data, "x").values[0, ..., 0], RAMP * 1000.0)


def test_frames_may_have_units_of_their_own(make_dicom):
    groups = []
    for slope in (1, 2):
        step, group = Dataset(), Dataset()
        step.RescaleSlope, step.RescaleIntercept = slope, 10
        group.PixelValueTransformationSequence = Sequence([step])
        groups.append(group)
    data = make_dicom(np.stack([RAMP, RAMP]), PerFrameFunctionalGroupsSequence=Sequence(groups))
    values = read_frames(data, "x").values[..., 0]
    np.testing.assert_array_equal(values, [RAMP + 10, RAMP * 2 + 10])


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 20, "WindowWidth": 30},
        {"WindowCenter": [20, 5], "WindowWidth": [30, 9]},
        {"WindowCenter": 20, "WindowWidth": 30, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 20, "WindowWidth": 30, "VOILUTFunction": "SIGMOID"},
    ],
)
def test_a_radiograph_is_shown_as_its_file_says(make_dicom, window):
    data = make_dicom(RAMP.astype(np.uint16), "DX", BitsStored=12, HighBit=11, **window)
    shown = apply_voi_lut(RAMP.astype(np.uint16), pydicom.dcmread(io.BytesIO(data)), index=0)
    values = decode_picture(data, "x").values[..., 0]
    assert values.dtype == np.uint16
    np.testing.assert_allclose(values / 65535, shown / 4095, atol=1e-4)


def test_a_radiograph_without_window_shows_all_its_bits(make_dicom):
    stored = np.array([[0, 4095]], np.uint16)
    data = make_dicom(stored, "DX", BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(decode_picture(data, "x").values[..., 0], [[0, 65535]])


def test_a_radiograph_is_never_a_negative(make_dicom):
    stored = np.array([[0, 255]], np.uint8)
    data = make_dicom(stored, "CR", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(decode_picture(data, "x").values[..., 0], [[255, 0]])


def test_a_table_of_values_of_interest_is_applied(make_dicom):
    table = Dataset()
    table.LUTDescriptor = [4, 0, 16]
    table.add_new("LUTData", "OW", np.array([0, 65535, 100, 200], "<u2").tobytes())
    data = make_dicom(np.array([[0, 1, 2, 3]], np.uint16), "DX", VOILUTSequence=Sequence([table]))
    np.testing.assert_array_equal(decode_picture(data, "x").values[..., 0], [[0, 65535, 100, 200]])


def test_several_frames_are_no_image(example):
    with pytest.raises(UsageError) as refused:
        decode_picture(example("examples_ybr_color.dcm"), "film.dcm")
    assert str(refused.value) == (
        "Sample 'film.dcm' holds 30 frames, the model takes images. "
        "Send one frame, or pack the model with --kind volume."
    )


def test_a_report_is_no_image(example):
    with pytest.raises(
        UsageError, match=r"^Sample 'x' holds no DICOM image\. Send a file that holds pixels\.$"
    ):
        decode_picture(example("test-SR.dcm"), "x")


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "badVR.dcm", "meta_missing_tsyntax.dcm"])
def test_a_damaged_file_gives_one_line(example, name):
    with pytest.raises(UsageError) as refused:
        read_frames(example(name), "x")
    assert str(refused.value) == DAMAGED


def test_a_packing_that_nothing_decodes_is_named(example):
    with pytest.raises(UsageError) as refused:
        read_frames(example("JPEG-lossy.dcm"), "x")
    assert str(refused.value) == (
        "Sample 'x' cannot be read as DICOM: its compression is one that nothing here decodes. "
        "Send a whole DICOM file with an image, as the archive stores it."
    )


def test_a_header_that_promises_too_much_takes_no_memory(make_dicom):
    data = make_dicom(RAMP, Rows=65535, Columns=65535, NumberOfFrames=9)
    with pytest.raises(UsageError) as refused:
        read_frames(data, "x")
    assert str(refused.value) == (
        "Sample 'x' promises 38653526025 values, 1 to 268435456 are read. Cut or shrink it before sending it."
    )


def test_a_data_set_that_unfolds_without_end_is_stopped(example, monkeypatch):
    data = example("image_dfl.dcm")
    start = data.index(b"1.2.840.10008.1.2.1.99")
    monkeypatch.setattr(dataset_module, "MAX_UNFOLDED", 10_000)
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(bytes(10_000_000)) + packer.flush()
    head = _end_of_meta(data, start)
    with pytest.raises(
        UsageError, match=r"^Sample 'x' unfolds to more than 10000 bytes\. Send it uncompressed\.$"
    ):
        read_frames(data[:head] + bomb, "x")


def _end_of_meta(data, near):
    length = int.from_bytes(data[140:144], "little")
    assert near < 144 + length
    return 144 + length


def test_without_pydicom_it_says_what_to_install(make_dicom, monkeypatch):
    data = make_dicom(RAMP)
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(EnvironmentFault) as refused:
        read_frames(data, "x")
    assert str(refused.value) == (
        "Sample 'x' is DICOM, and pydicom is not installed. Run `pip install 'foveal[medical]'`."
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(132, 39_000), byte=st.integers(0, 255), cut=st.integers(200, 39_205))
def test_any_damage_gives_a_picture_or_one_line(example, place, byte, cut):
    data = bytearray(example("CT_small.dcm"))
    data[place] = byte
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(UsageError):
            decode_picture(bytes(data[:cut]), "x")
