"""Writing a bundle: all of it or nothing."""

import csv
import hashlib
import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from foveal.errors import EnvironmentFault, UsageError
from foveal_audit.bundle.manifest import read_manifest, verify_manifest
from foveal_audit.bundle.schema import Findings, Signal
from foveal_audit.bundle.worklist import COLUMNS, WORKLIST, Order, worklist_csv
from foveal_audit.bundle.writing import generator_folder, write_bundle

DOCUMENTS = {"report.html": lambda result: f"<p>{result.findings.summary.headline}</p>"}


def write_card(folder):
    (folder / "card.json").write_text("{}")


def write(result, out, **options):
    return write_bundle(result, out, **({"documents": DOCUMENTS} | options))


def everything(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_folder_is_laid_out_as_designed(result, tmp_path):
    out = write(result, tmp_path / "a" / "bundle", generators={"contribution:12": write_card})
    assert out == tmp_path / "a" / "bundle"
    assert sorted(everything(out)) == [
        "coverage.csv",
        "findings.json",
        "generators/contribution:12/card.json",
        "manifest.json",
        "report.html",
        "worklist.csv",
    ]
    assert verify_manifest(out) == []
    assert Findings.model_validate_json((out / "findings.json").read_bytes()) == result.findings
    assert read_manifest(out).fingerprint == result.findings.fingerprint
    rows = list(csv.DictReader((out / "coverage.csv").read_text().splitlines()))
    assert len(rows) == len(result.coverage)
    assert sum(row["gap_group"] == result.findings.gaps[0].id for row in rows) == 61


def test_the_worklist_is_in_the_bundle_and_in_its_manifest(result, tmp_path):
    (gap,) = result.findings.gaps
    out = write(replace(result, worklist=[Order(gap, 305, 2)]), tmp_path / "bundle")
    mark, row = csv.DictReader((out / WORKLIST).read_text().splitlines())
    (artefact,) = result.findings.artefacts
    assert (mark["finding"], mark["kind"], mark["action"]) == (artefact.id, "artefact", "mask")
    assert (mark["needed"], mark["has"], mark["mask"]) == ("", "331", "0 62 34 96")
    assert mark["what"] == "answer spiculated; suspected"
    strongest = sorted(artefact.entries, key=lambda one: -one.activation)[:3]
    assert mark["like"].split() == [one.sample for one in strongest]
    assert (row["finding"], row["needed"], row["has"], row["action"]) == (gap.id, "305", "2", "acquire")
    assert row["like"].split() == gap.samples[:3]
    (out / WORKLIST).write_text((out / WORKLIST).read_text().replace("305", "35"))
    assert verify_manifest(out) == ["worklist.csv: altered"]
    assert worklist_csv([]) == ",".join(COLUMNS) + "\n"


def test_a_property_is_evened_out_and_a_gap_that_nothing_explains_is_told(result):
    one = result.findings.artefacts[0].model_copy(
        update={"signals": {"property_ubiquity": Signal(value=0.5)}, "classes": {}, "verdict": "confirmed"}
    )
    gap = result.findings.gaps[0].model_copy(update={"explained_by": {}})
    whole, row = csv.DictReader(worklist_csv([Order(gap, 5, 0)], [one]).splitlines())
    told = ("property", "even_out", "", "confirmed")
    assert (whole["kind"], whole["action"], whole["mask"], whole["what"]) == told
    assert row["what"] == gap.statement


def test_equal_audits_give_equal_bundles(make_result, tmp_path):
    first = write(make_result(), tmp_path / "first", generators={"fc1:7": write_card})
    second = write(make_result(), tmp_path / "second", generators={"fc1:7": write_card})
    assert everything(first) == everything(second)


def test_only_the_date_makes_equal_audits_differ(make_result, tmp_path):
    first = write(make_result(), tmp_path / "first")
    second = write(make_result(created=datetime(2030, 1, 1, tzinfo=timezone.utc)), tmp_path / "second")
    assert read_manifest(first).fingerprint == read_manifest(second).fingerprint
    dates = (json.loads((out / "findings.json").read_text()).pop("created") for out in (first, second))
    assert list(dates) == ["2026-11-21T08:07:00Z", "2030-01-01T00:00:00Z"]


def test_nothing_but_the_bundle_is_left(result, tmp_path):
    write(result, tmp_path / "bundle")
    write(result, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_empty_folder_may_be_used(result, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert verify_manifest(write(result, tmp_path / "bundle")) == []


def test_an_earlier_bundle_is_replaced_and_enters_the_chain(result, make_result, tmp_path):
    out = write(result, tmp_path / "bundle", generators={"fc1:7": write_card})
    earlier = hashlib.sha256((out / "manifest.json").read_bytes()).hexdigest()
    write(make_result(seed=1), out)
    assert read_manifest(out).previous == earlier
    assert not (out / "generators").exists()
    assert verify_manifest(out) == []


def test_a_bundle_elsewhere_may_be_the_previous_one(result, tmp_path):
    first = write(result, tmp_path / "first")
    second = write(result, tmp_path / "second", previous=first)
    assert verify_manifest(second, previous=first) == []


def test_a_bundle_can_be_signed(result, tmp_path):
    key = tmp_path / "audit.key"
    key.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    out = write(result, tmp_path / "bundle", key=key)
    assert read_manifest(out).signature
    assert verify_manifest(out) == []


def test_a_folder_with_other_things_is_left_alone(result, tmp_path):
    (tmp_path / "thesis.tex").write_text("my work")
    with pytest.raises(UsageError) as error:
        write(result, tmp_path)
    assert str(error.value) == (
        f"{tmp_path} is not empty and is not a bundle. Give an empty folder, or one that does not exist yet."
    )
    assert everything(tmp_path) == {"thesis.tex": b"my work"}


def test_a_file_is_left_alone(result, tmp_path):
    (tmp_path / "bundle").write_text("my work")
    with pytest.raises(UsageError, match=r"bundle is a file\. Give a folder for the bundle\."):
        write(result, tmp_path / "bundle")


def test_a_wrong_key_is_found_before_anything_is_drawn(result, tmp_path):
    (tmp_path / "audit.key").write_text("no key")
    drawn = []
    with pytest.raises(UsageError, match="not an unencrypted private key"):
        write(
            result, tmp_path / "bundle", key=tmp_path / "audit.key", documents={"report.html": drawn.append}
        )
    assert drawn == []


@pytest.mark.parametrize("earlier", [False, True])
def test_a_failure_leaves_what_was_there(result, tmp_path, earlier):
    before = everything(write(result, tmp_path / "bundle")) if earlier else {}

    def fail(folder):
        (folder / "half").write_text("half of a generator")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write(result, tmp_path / "bundle", generators={"fc1:7": fail})
    assert everything(tmp_path / "bundle") == before
    assert [path.name for path in tmp_path.iterdir()] == (["bundle"] if earlier else [])


def test_a_full_disk_is_named(result, tmp_path):
    def full(_folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(EnvironmentFault) as error:
        write(result, tmp_path / "bundle", generators={"fc1:7": full})
    assert str(error.value) == (
        f"cannot write {tmp_path / 'bundle'}: [Errno 28] No space left on device. "
        "Free some space or choose another folder."
    )
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("feature", "folder"),
    [
        ("contribution:12", "generators/contribution:12"),
        ("features.3:7", "generators/features.3:7"),
        ("../../etc:1", "generators/..%2F..%2Fetc:1"),
    ],
)
def test_a_feature_names_a_folder_inside_the_bundle(feature, folder):
    assert generator_folder(feature) == folder
