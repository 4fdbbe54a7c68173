"""DICOM series: slices in the order of the body, from a zip or a folder, and refusals."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.samples.volumes import KIND, decode_volume, series


def slice_of(make_dicom, height, number=1, value=0, **elements):
    place = {"ImagePositionPatient": [0, 0, height], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    shared = {"SeriesInstanceUID": "1.2.3", "PixelSpacing": [0.5, 0.25], "InstanceNumber": number}
    return make_dicom(np.full((2, 3), value, np.uint8), **(shared | place | elements))


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)))
def test_slices_come_in_the_order_of_the_body(make_dicom, order):
    files = {f"{name}": slice_of(make_dicom, 2.5 * order[name], value=order[name]) for name in range(5)}
    decoded = decode_volume(zipped(files), "x")
    assert decoded.values.shape == (5, 2, 3, 1)
    assert decoded.values[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert decoded.spacing == (2.5, 0.5, 0.25)


def test_slices_that_stand_upright(make_dicom):
    upright = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    files = {
        f"{x}": slice_of(make_dicom, 0, value=x, ImagePositionPatient=[-3 * x, 0, 0], **upright)
        for x in range(4)
    }
    decoded = decode_volume(zipped(files), "x")
    assert decoded.values[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert decoded.spacing[0] == pytest.approx(3)


def test_without_places_the_numbers_decide(make_dicom):
    nowhere = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "SliceThickness": 4}
    files = {f"{n}": slice_of(make_dicom, 0, number=9 - n, value=n, **nowhere) for n in range(3)}
    decoded = decode_volume(zipped(files), "x")
    assert decoded.values[:, 0, 0, 0].tolist() == [2, 1, 0]
    assert decoded.spacing == (4, 0.5, 0.25)


def test_several_times_become_channels(make_dicom):
    files = {
        f"{time}{z}": slice_of(make_dicom, z, number=10 * time + z, value=10 * time + z)
        for time in range(2)
        for z in range(3)
    }
    decoded = decode_volume(zipped(files), "x")
    assert decoded.values[:, 0, 0].tolist() == [[0, 10], [1, 11], [2, 12]]


def test_a_film_is_a_volume_in_its_own_order(example):
    decoded = decode_volume(example("examples_ybr_color.dcm"), "x")
    assert decoded.values.shape == (30, 240, 320, 3)
    assert decode_volume(example("rtdose.dcm"), "x").values.shape == (15, 10, 10, 1)


def test_a_folder_is_its_zip(tmp_path, make_dicom):
    for z in range(3):
        (tmp_path / f"{z}.dcm").write_bytes(slice_of(make_dicom, z, value=z))
    (tmp_path / ".hidden").write_bytes(b"no slice")
    (tmp_path / "DICOMDIR").write_bytes(b"no slice")
    (tmp_path / "LICENSE").write_bytes(b"no slice")
    data = KIND.read(tmp_path)
    assert data == KIND.read(tmp_path)  # the same bytes, so the same hash
    assert decode_volume(data, "x").values[:, 0, 0, 0].tolist() == [0, 1, 2]


def test_what_all_slices_say_is_said_of_the_volume(make_dicom):
    files = {f"{z}": slice_of(make_dicom, z, KVP=100 + z, Manufacturer="ACME") for z in range(2)}
    tags = decode_volume(zipped(files), "x").tags
    assert tags["Manufacturer"] == "ACME"
    assert "KVP" not in tags


@pytest.mark.parametrize(
    ("second", "line"),
    [
        ({"SeriesInstanceUID": "1.2.4"}, "holds 2 series"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "holds 2 directions of slices"),
    ],
)
def test_what_cannot_be_one_volume(make_dicom, second, line):
    files = {"a": slice_of(make_dicom, 0), "b": slice_of(make_dicom, 1, **second)}
    with pytest.raises(UsageError) as refused:
        decode_volume(zipped(files), "x")
    assert str(refused.value) == f"Sample 'x' {line}. Send one series at a time."


def test_slices_of_two_sizes(make_dicom):
    other = make_dicom(np.zeros((4, 4), np.uint8), SeriesInstanceUID="1.2.3")
    with pytest.raises(UsageError, match=r"^Sample 'x' holds 2 sizes of slices"):
        decode_volume(zipped({"a": slice_of(make_dicom, 0), "b": other}), "x")


def test_places_with_different_numbers_of_pictures(make_dicom):
    files = {f"{n}": slice_of(make_dicom, height) for n, height in enumerate((0, 0, 1))}
    with pytest.raises(UsageError) as refused:
        decode_volume(zipped(files), "x")
    assert str(refused.value) == (
        "Sample 'x' has 3 slices at 2 places. Send as many pictures of every place."
    )


def test_a_zip_without_pictures(example):
    for files in ({}, {"a.txt": b"text"}, {"r.dcm": example("test-SR.dcm")}):
        data = zipped(files)
        if not files:
            continue
        with pytest.raises(UsageError) as refused:
            decode_volume(data, "x")
        assert str(refused.value) == "Sample 'x' holds no DICOM image. Send files that hold pixels."


def test_a_damaged_zip(make_dicom):
    data = zipped({"a": slice_of(make_dicom, 0)})
    for damaged in (data[:-30], data[:60] + b"\xff" * 40 + data[100:]):
        with pytest.raises(UsageError) as refused:
            decode_volume(damaged, "x")
        assert str(refused.value) == (
            "Sample 'x' cannot be read as a zip: it is damaged. "
            "Send a whole zip of DICOM files, without password."
        )


def test_too_much_is_refused_before_it_is_unpacked(monkeypatch, tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", bytes(2_000_000))
    monkeypatch.setattr(series, "MAX_BYTES", 1_000_000)
    with pytest.raises(UsageError) as refused:
        decode_volume(out.getvalue(), "x")
    assert str(refused.value) == "Sample 'x' holds more than 4096 files or 0 GiB. Send one series at a time."
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    with pytest.raises(UsageError, match="holds more than 4096 files"):
        series.read_folder(tmp_path)


def test_pictures_of_too_many_values_together(make_dicom, monkeypatch):
    monkeypatch.setattr("foveal.samples.narrowing.MAX_VALUES", 10)
    files = {f"{z}": slice_of(make_dicom, z) for z in range(2)}
    with pytest.raises(UsageError, match=r"^Sample 'x' promises 12 values"):
        decode_volume(zipped(files), "x")


def test_a_file_for_each_slice_in_the_order_of_the_body(make_dicom):
    files = {f"{n}": slice_of(make_dicom, height, value=n) for n, height in enumerate((4, 0, 2))}
    ordered = series.slices_of(zipped(files), "x")
    assert ordered == [files["1"], files["2"], files["0"]]


@pytest.mark.parametrize(
    ("heights", "changes", "line"),
    [
        (
            (0, 1),
            {"ImagePositionPatient": None},
            "has no file for each slice. Give a series of single frames.",
        ),
        ((0, 0), {}, "has several files of one slice. Give one picture of every place."),
    ],
)
def test_files_and_slices_that_are_not_one_to_one(make_dicom, heights, changes, line):
    files = {f"{n}": slice_of(make_dicom, height, **changes) for n, height in enumerate(heights)}
    with pytest.raises(UsageError) as refused:
        series.slices_of(zipped(files), "x")
    assert str(refused.value) == f"Sample 'x' {line}"


def test_a_series_without_pictures_has_no_slices(example):
    with pytest.raises(UsageError, match=r"^Sample 'x' holds no DICOM image\."):
        series.slices_of(zipped({"a": example("test-SR.dcm")}), "x")


def deflated(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return out.getvalue()


def test_what_is_no_dicom_is_never_held_whole(make_dicom, monkeypatch):
    """Its first bytes are read, then steps of it, so a damaged slice is still told from another file."""
    monkeypatch.setattr(series, "_STEP", 1000)
    sizes, read = [], zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: (sizes.append((self.name, n)), read(self, n))[1]
    )
    data = deflated({"a": slice_of(make_dicom, 0), "z": bytes(5000)})
    assert decode_volume(data, "x").values.shape == (1, 2, 3, 1)
    assert {n for name, n in sizes if name == "z"} == {132, 1000}


def test_a_slice_with_a_damaged_mark_is_not_passed_over(make_dicom):
    data = zipped({f"{z}": slice_of(make_dicom, z) for z in range(2)})
    with pytest.raises(UsageError) as refused:
        decode_volume(data.replace(b"DICM", b"DIXM", 1), "x")
    assert str(refused.value) == (
        "Sample 'x' cannot be read as a zip: it is damaged. "
        "Send a whole zip of DICOM files, without password."
    )


def test_a_zip_of_zeros(make_dicom, monkeypatch):
    monkeypatch.setattr(series, "_FREE", 2**20)
    slices = {"a": slice_of(make_dicom, 0)}
    assert decode_volume(deflated(slices | {"z": bytes(2**19)}), "x").values.shape == (1, 2, 3, 1)
    assert decode_volume(zipped(slices | {"z": bytes(2**21)}), "x").values.shape == (1, 2, 3, 1)
    with pytest.raises(UsageError) as refused:
        decode_volume(deflated(slices | {"z": bytes(2**21)}), "x")
    assert str(refused.value) == (
        "Sample 'x' unfolds to more than 1 MiB and 100 times its size. Send it as a zip without compression."
    )


def test_paths_in_a_zip_lead_nowhere(make_dicom):
    data = zipped({"/etc/a": slice_of(make_dicom, 0), "../b": slice_of(make_dicom, 1)})
    assert decode_volume(data, "x").values.shape == (1, 2, 3, 1)
