"""What a file says of a person gets nowhere: not into what is decoded, kept, raised, warned of or logged."""

import io
import logging
import struct
import warnings
import zipfile
import zlib

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_dicom import written
from PIL import Image, PngImagePlugin, TiffImagePlugin
from planted_patients import CODE, DIGITS, WORD, marks_in, planted_bytes
from pydicom.datadict import tag_for_keyword
from pydicom.examples import get_path

from foveal.errors import UsageError
from foveal.samples.keeping import kept_bytes, kept_picture
from foveal.samples.kinds import get_kind
from foveal.samples.medical.allowed import ALLOWED, allowed_tags
from foveal.samples.volumes.series import read_folder


@pytest.fixture
def everything_said(caplog):
    """Gather what is decoded, kept and said of bytes, as one text."""

    def gather(kind, data):
        caplog.clear()
        caplog.set_level(logging.INFO)
        said = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                decoded = get_kind(kind).decode(data, "x")
                kept = kept_bytes(get_kind(kind), data, decoded.values, hide_text=False)
                said += [repr(decoded).encode(), kept, decoded.values.tobytes()]
            except UsageError as refused:
                said.append(str(refused).encode())
        said += [str(one.message).encode() for one in caught] + [caplog.text.encode()]
        return b"\n".join(said)

    return gather


@pytest.mark.parametrize("kind", ["image", "volume"])
@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "examples_rgb_color.dcm"]
)
def test_nothing_of_a_patient_leaves_a_dicom_file(kind, name, example, everything_said):
    data = planted_bytes(example(name))
    assert set(marks_in(data)) == {WORD, DIGITS, "17760704", CODE}  # they are there to be found
    said = everything_said(kind, data)
    assert marks_in(said) == []
    assert len(said) > 4096  # a picture was decoded


def test_nothing_of_a_patient_leaves_a_waveform(everything_said):
    dataset = pydicom.dcmread(get_path("waveform"))
    for group in dataset.WaveformSequence:
        group.MultiplexGroupLabel = WORD
        for channel in group.ChannelDefinitionSequence:
            channel.ChannelLabel = channel.ChannelSourceSequence[0].CodeMeaning = WORD
    data = planted_bytes(written(dataset))
    assert set(marks_in(data)) == {WORD, DIGITS, "17760704", CODE}
    said = everything_said("signal", data)
    assert marks_in(said) == []
    assert b"WaveformGroup" in said
    assert len(said) > 4096  # a trace was decoded


@pytest.mark.parametrize("keyword", sorted(ALLOWED))
@pytest.mark.parametrize(
    "value",
    [f"{WORD}^Jane Doe", f"{WORD}, born 17760704", f"{WORD}\n{WORD}", "x" * 65, "é", ["CT", WORD], b"\xff"],
)
def test_even_an_allowed_element_says_only_what_its_form_allows(keyword, value):
    assert allowed_tags({keyword: value}) == {}


def test_no_allowed_element_is_about_a_person():
    identifying = {0x0010, 0x0012, 0x0032, 0x0038, 0x0040, 0x4008}  # groups of patients, studies, orders
    groups = {keyword: tag_for_keyword(keyword) >> 16 for keyword in ALLOWED}
    assert {keyword for keyword, group in groups.items() if group in identifying} == set()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(132, 40_000), byte=st.integers(0, 255), cut=st.integers(200, 45_000))
def test_a_damaged_file_says_nothing_either(place, byte, cut, example, everything_said):
    data = bytearray(planted_bytes(example("CT_small.dcm")))
    data[min(place, len(data) - 1)] = byte
    assert marks_in(everything_said("image", bytes(data[:cut]))) == []


def test_a_series_says_nothing_by_its_files_names(tmp_path, example):
    folder = tmp_path / WORD
    folder.mkdir()
    (folder / f"{WORD}.dcm").write_bytes(example("CT_small.dcm"))
    assert marks_in(read_folder(folder)) == []


def test_several_series_are_counted_and_not_named(make_dicom):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for number in range(2):
            uid = f"1.2.{DIGITS}.{number}"
            packed.writestr(f"{number}", make_dicom(np.zeros((4, 4), np.uint8), SeriesInstanceUID=uid))
    with pytest.raises(UsageError) as refused:
        get_kind("volume").decode(out.getvalue(), "x")
    assert str(refused.value) == "Sample 'x' holds 2 series. Send one series at a time."


def test_nothing_of_a_nifti_header_is_kept(everything_said):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    image.header["descrip"], image.header["aux_file"], image.header["db_name"] = WORD, WORD, WORD
    image.header["intent_name"] = WORD
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", WORD.encode()))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("dicom", CODE.encode() * 2))
    data = image.to_bytes()
    assert set(marks_in(data)) == {WORD, CODE}
    said = everything_said("volume", data)
    assert marks_in(said) == []
    assert get_kind("volume").decode(data, "x").tags == {}


def picture(form, **how):
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (24, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, form, **how)
    return out.getvalue()


def exif():
    tags = Image.Exif()
    tags[0x010E] = tags[0x013B] = tags[0x9286] = WORD  # description, artist, comment
    return tags.tobytes()


def png():
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", WORD)
    text.add_text("Packed", WORD, zip=True)
    text.add_itxt("XML:com.adobe.xmp", f"<x>{WORD}</x>")
    data = picture("PNG", pnginfo=text, exif=exif(), icc_profile=WORD.encode())
    chunk = b"zyXp" + WORD.encode()
    private = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:-12] + private + data[-12:] + WORD.encode()


def jpeg():
    data = picture(
        "JPEG", exif=exif(), icc_profile=WORD.encode(), comment=WORD.encode(), xmp=f"<x>{WORD}</x>".encode()
    )
    private = b"\xff\xeb" + struct.pack(">H", 2 + len(WORD)) + WORD.encode()
    return data[:2] + private + data[2:] + WORD.encode()


def tiff():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = tags[315] = tags[65000] = WORD
    return picture("TIFF", tiffinfo=tags)


@pytest.mark.parametrize(
    "data",
    [
        png(),
        jpeg(),
        tiff(),
        picture("WEBP", exif=exif(), lossless=True),
        picture("GIF", comment=WORD.encode()),
    ],
    ids=["png", "jpeg", "tiff", "webp", "gif"],
)
def test_nothing_beside_a_picture_is_kept(data, everything_said):
    image = get_kind("image")
    assert WORD in marks_in(data)
    said = everything_said("image", data)
    assert marks_in(said) == []
    values = image.decode(data, "x").values
    for kept in (kept_bytes(image, data, values, hide_text=False), kept_picture(data, "x", hide_text=False)):
        assert marks_in(kept) == []
        np.testing.assert_array_equal(image.decode(kept, "x").values, values)
