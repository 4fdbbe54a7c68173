"""DICOM objects of a bundle, read back by pydicom and highdicom; nothing of the patients on the way there."""

import io
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import planted
import pydicom
import pytest
from highdicom.seg import segread
from highdicom.sr import srread
from made_dicom import dicom_bytes, example
from planted_patients import WORD, marks_in, planted_bytes
from ready_stores import ready_store
from typer.testing import CliRunner

from foveal.cli import build_app
from foveal.collecting import collect
from foveal.errors import UsageError
from foveal.library import Library
from foveal.samples.volumes.series import read_folder, slices_of
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.schema import EntryRef, Findings
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.exports.dicom import write_dicom
from foveal_audit.exports.dicom_case import Case
from foveal_audit.exports.dicom_maps import segmentation, spread
from foveal_audit.exports.filed import open_filed

NUMBER = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("dicom")


@pytest.fixture(scope="module")
def images(place):
    """DICOM files of planted pictures, full of patients' data."""
    rng = np.random.default_rng(0)
    folder = place / "images"
    for number in range(NUMBER):
        label = number % 2
        data = dicom_bytes(planted.picture(rng, label, marked=label == 1)[..., 0], "OT")
        path = folder / ("stripes", "disc")[label] / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(planted_bytes(data))
    return folder


@pytest.fixture(scope="module")
def library(place, images):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("FOVEAL_CACHE_DIR", str(place / "cache"))
        made = Library("dicom", ready_store(place / "mlflow.db"))
        collect(planted.audited(planted.ShapesNet()), images, "training", made)
        yield made


@pytest.fixture(scope="module")
def bundle(place, library, module_result):
    """A bundle whose one artefact is made of real entries."""
    entries = library.query(feature="contribution").entries()
    stamp = module_result.findings.artefacts[0]
    fields = {"sample", "window", "activation", "source", "id"}
    refs = [EntryRef(**{name: getattr(one, name) for name in fields}) for one in entries]
    judged = next(one for one in module_result.findings.assessments if one.id == stamp.id)
    judged = judged.model_copy(update={"entries": refs, "n_entries": {"training": len(refs)}})
    given = module_result.findings
    findings = Findings.of(
        [judged],
        given.gaps,
        **{
            name: getattr(given, name)
            for name in ("model", "config", "environment", "seed", "created", "not_examined")
        },
        library=given.library.model_copy(update={"name": "dicom"}),
    )
    result = AuditResult(findings=findings, facets=[], gaps=[], coverage=[])
    return write_bundle(
        result, place / "bundle", documents={"report.html": lambda _: "<p>report</p>"}, generators={}
    )


@pytest.fixture(scope="module")
def exported(place, bundle, library, images):
    out = place / "out"
    return out, write_dicom(open_filed(bundle), library, out, images)


def read(out, pattern):
    return [pydicom.dcmread(path) for path in sorted(out.glob(pattern))]


def test_one_report_and_a_capture_and_a_map_of_each_entry(exported, library):
    out, done = exported
    assert done.left_out == []
    assert done.reports == len(read(out, "report.dcm")) == 1
    assert done.captures == len(read(out, "captures/*")) == done.maps == len(read(out, "maps/*"))
    assert done.captures == min(9, library.features()["contribution"])


def test_captures_show_the_crop_and_its_map(exported):
    captures = read(exported[0], "captures/*")
    assert {one.SOPClassUID.name for one in captures} == {"Secondary Capture Image Storage"}
    assert len({one.SOPInstanceUID for one in captures}) == len(captures)
    assert (
        len({one.StudyInstanceUID for one in captures})
        == len({one.SeriesInstanceUID for one in captures})
        == 1
    )
    pixels = captures[0].pixel_array
    plain, mapped = pixels[:, :256], pixels[:, -256:]
    assert pixels.dtype == np.uint8
    assert (plain[..., 0] == plain[..., 1]).all()  # grey, as the sample is
    assert (mapped[..., 0] != mapped[..., 2]).any()  # coloured by its map


def test_the_report_says_what_was_found_and_where_it_is_shown(exported, bundle):
    out, _ = exported
    report = srread(out / "report.dcm")
    findings = open_filed(bundle).findings
    groups = report.content.get_image_measurement_groups()
    assert {group.tracking_identifier for group in groups} == {one.id for one in findings.findings}
    artefact = next(one for one in groups if one.tracking_identifier == findings.artefacts[0].id)
    measures = {one.name.meaning: one.value for one in artefact.get_measurements()}
    assert measures["reliance"] == findings.artefacts[0].reliance
    (verdict,) = artefact.get_qualitative_evaluations()
    assert verdict.value.meaning == "Suspected reliance"
    shown = {one.referenced_sop_instance_uid for one in artefact.source_images}
    assert shown == {one.SOPInstanceUID for one in read(out, "captures/*")}
    words = " ".join(one.TextValue for one in report.ContentSequence if one.ValueType == "TEXT")
    assert "Suspected reliance on an artefact" in words
    assert "Not examined" in words


def test_maps_lie_over_their_image(exported, images, library):
    out, _ = exported
    sources = {pydicom.dcmread(path).SOPInstanceUID: pydicom.dcmread(path) for path in images.glob("*/*.dcm")}
    for path in sorted(out.glob("maps/*")):
        segments = segread(path)
        (uids,) = segments.get_source_image_uids()
        source = sources[uids[2]]
        assert segments.PatientName == source.PatientName  # filed where its image is
        assert segments.StudyInstanceUID == source.StudyInstanceUID
        assert (segments.Rows, segments.Columns) == (24, 24)
        assert segments.pixel_array.max() == 255


def test_a_map_over_a_real_ct(library):
    data = example("CT_small.dcm")
    entry = library.query(feature="contribution").entries()[0]
    case = Case("ab" * 32, datetime(2026, 11, 21, tzinfo=timezone.utc), "1")
    made = segmentation(case, entry, "A-1", [data], 1)
    source = pydicom.dcmread(io.BytesIO(data))
    assert made.FrameOfReferenceUID == source.FrameOfReferenceUID
    place = made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert place.ImagePositionPatient == source.ImagePositionPatient
    np.testing.assert_allclose(made.pixel_array / 255, spread(entry, (128, 128)), atol=0.003)


def test_a_map_over_a_series(library, place, tmp_path):
    """Slices in any order on disk, each with the part of the map that lies in it."""
    heights = [4.0, 0.0, 6.0, 2.0]
    for number, height in enumerate(heights):
        where = {"ImagePositionPatient": [0, 0, height], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        told = {"FrameOfReferenceUID": "1.2.9", "SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2.4"}
        told |= {"PixelSpacing": [1, 1], "SliceThickness": 2}
        data = dicom_bytes(np.zeros((10, 12), np.uint16), **where, **told)
        (tmp_path / f"{number}.dcm").write_bytes(data)
    sources = slices_of(read_folder(tmp_path), "x")
    places = [pydicom.dcmread(io.BytesIO(one)).ImagePositionPatient[2] for one in sources]
    assert places == [0, 2, 4, 6]
    flat = library.query(feature="contribution").entries()[0]
    entry = replace(flat, window=(1, 2, 3, 3, 8, 9), map=np.arange(1, 9, dtype=np.float32).reshape(2, 2, 2))
    case = Case("ab" * 32, datetime(2026, 11, 21, tzinfo=timezone.utc), "1")
    made = segmentation(case, entry, "A-1", sources, 1)
    made.save_as(tmp_path / "map.dcm", enforce_file_format=True)
    laid = segread(tmp_path / "map.dcm").get_pixels_by_source_instance(
        [pydicom.dcmread(io.BytesIO(one)).SOPInstanceUID for one in sources]
    )[..., 0]
    np.testing.assert_allclose(laid, spread(entry, (4, 10, 12)), atol=0.003)
    assert (laid[0] == 0).all()
    assert laid[2].max() == 1


def test_a_map_fills_its_window_and_nothing_else(library):
    entry = library.query(feature="contribution").entries()[0]
    laid = spread(entry, (24, 24))
    y0, x0, y1, x1 = entry.window
    assert laid[y0:y1, x0:x1].max() == 1
    laid[y0:y1, x0:x1] = 0
    assert not laid.any()
    with pytest.raises(ValueError, match="lies outside of"):
        spread(replace(entry, window=(30, 30, 40, 40)), (24, 24))


def test_captures_and_report_are_about_nobody(exported):
    out, _ = exported
    for path in [out / "report.dcm", *out.glob("captures/*")]:
        assert marks_in(path.read_bytes()) == []
        assert str(pydicom.dcmread(path).PatientName) == "Foveal^Audit"


def test_the_same_bundle_gives_the_same_objects(exported, place, bundle, library, images):
    out, _ = exported
    write_dicom(open_filed(bundle), library, place / "again", images)
    for path in sorted(out.rglob("*.dcm")):
        assert path.read_bytes() == (place / "again" / path.relative_to(out)).read_bytes()


def test_a_file_that_cannot_carry_a_map_is_named(place, bundle, library, images):
    other = place / "other"
    for path in images.glob("*/*.dcm"):
        target = other / path.relative_to(images)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes()[:600])
    done = write_dicom(open_filed(bundle), library, place / "third", other)
    assert done.maps == 0
    assert len(done.left_out) == done.captures
    assert all(line.endswith(".dcm: no map can be laid over this file") for line in done.left_out)


def test_nothing_of_the_patients_is_in_the_library_or_the_store(place, library):
    entries = library.query().entries()
    samples = library.samples().to_pylist()
    assert entries
    assert marks_in(repr(entries).encode() + repr(samples).encode()) == []
    theirs = {"images", "other", "maps"}
    files = [path for path in place.rglob("*") if path.is_file() and not theirs & set(path.parts)]
    assert len(files) > 3
    assert {path.name: marks_in(path.read_bytes()) for path in files if marks_in(path.read_bytes())} == {}


def test_by_command(place, bundle, library, images, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", library.tracking_uri)
    out = place / "fourth"
    ran = CliRunner().invoke(
        build_app(), ["export", str(bundle), "-f", "dicom", "-o", str(out), "--images", str(images)]
    )
    assert ran.exit_code == 0, ran.output
    number = len(list(out.glob("captures/*")))
    assert f"{out}: 1 report, {number} captures, {number} maps" in ran.output
    assert not [one for one in ran.output.splitlines() if WORD in one]


def test_without_a_folder_or_entries_it_says_so(bundle, library, make_bundle, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", library.tracking_uri)
    ran = CliRunner().invoke(build_app(), ["export", str(bundle), "-f", "dicom"])
    assert ran.exit_code == 2
    assert "DICOM objects are files. Name a folder for them with -o." in ran.output
    with pytest.raises(UsageError) as refused:
        write_dicom(open_filed(make_bundle()), library, tmp_path / "out")
    assert str(refused.value) == (
        "Library 'dicom' holds no entry of a finding. Export a bundle that has findings of entries."
    )
