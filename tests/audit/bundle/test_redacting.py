"""Erased samples leave the bundles of audits; what was signed stays checkable."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from foveal.errors import UsageError
from foveal.library import Library, leftovers
from foveal.library.erasing import erase
from foveal.library.redactors import Erased
from foveal.library.wanted import Wanted
from foveal.records import Entry, Observation, SampleRecord
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.experts import Experts, Opinion, Said
from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.bundle.redacting import redact
from foveal_audit.bundle.schema import Findings, LibraryRef
from foveal_audit.bundle.tables import read_table
from foveal_audit.bundle.tracking import log_bundle
from foveal_audit.bundle.training import TRAINING, TrainingWindows, misfits, read_training
from foveal_audit.bundle.worklist import WORKLIST, Order
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.commands.verify import check

GONE = "request-0025"  # a production sample that coverage and the gap finding name
TRAINED, STAYS = "site_a/00031.png", "site_a/00001.png"


def observation(name, source):
    shared = {
        "sample": name,
        "row": 0,
        "source": source,
        "time": "2026-03-01T12:00:00Z",
        "predicted": 1,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
    }
    sample = SampleRecord(**shared, scores=(0.5,), activations={}, sample_sha256=name, shape=(8, 8, 1))
    arrays = {"map": np.ones((2, 2), np.float32), "vector": np.ones(3, np.float32)}
    one = {"activation": 1.0, "share": 1.0, "method": "m", "layer": "l", "threshold": 0.0}
    window = Entry(
        **shared, **arrays, **one, id=f"{name}-w", feature="contribution", window=(0, 0, 4, 4), crop=b"x"
    )
    return Observation(sample, (window,))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all tests: making it takes MLflow seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(autouse=True)
def places(tmp_path, store, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(leftovers, "_MOMENT_SECONDS", 0.01)
    monkeypatch.chdir(store)  # MLflow puts the artifacts of a database into the working folder


@pytest.fixture
def library(result, store, request):
    """A library that holds every sample of the audit."""
    library = Library(request.node.name, f"sqlite:///{store / 'mlflow.db'}")
    findings = result.findings
    names = {("training", name) for gap in findings.gaps for name in gap.nearest_training}
    names |= {(row.source, row.sample) for row in result.coverage}
    names |= {(ref.source, ref.sample) for one in findings.assessments for ref in one.entries}
    for source in ("training", "production"):
        library.add([observation(name, its) for its, name in sorted(names) if its == source], source)
    return library


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "audit.key"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def write_generator(folder):
    for name in ("samples.png", "card.json", "weights.safetensors"):
        (folder / name).write_text(f"{name} of {GONE}" if name == "samples.png" else name)


@pytest.fixture
def bundle(library, make_result, tmp_path, key):
    shards = {shard["name"]: shard["sha256"] for shard in library.shards()}
    ref = LibraryRef(name="nodules", run_id=library.run_id, uri="somewhere", shards=shards)
    documents = {
        "report.html": lambda result: f"<p>{GONE} and {TRAINED}</p>",
        "report.pdf": lambda result: b"%PDF " + GONE.encode(),
    }
    generators = {"contribution:12": write_generator, "fc1:7": write_generator}
    made = make_result(library=ref)
    listed = AuditResult(
        **vars(made)
        | {
            "training": [listed_windows(one) for one in made.findings.assessments],
            "worklist": [Order(made.findings.gaps[0], 12, 0)],
        }
    )
    return write_bundle(listed, tmp_path / "bundle", documents=documents, generators=generators, key=key)


def listed_windows(one):
    """All training windows of a facet, the listed ones among them."""
    refs = [ref for ref in one.entries if ref.source == "training"]
    more = one.n_entries["training"] - len(refs)
    return TrainingWindows(
        one.id,
        [*(ref.sample for ref in refs), *[STAYS] * more],
        [""] * (len(refs) + more),
        [*(ref.window for ref in refs), *[(0, 0, 4, 4)] * more],
        [1.0] * (len(refs) + more),
        [""] * (len(refs) + more),
    )


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def naming(name, folder):
    return [path for path, content in files(folder).items() if name.encode() in content and "fc1" not in path]


def test_a_sample_leaves_the_bundle_and_the_verdicts_stay(library, bundle):
    before = files(bundle)
    receipt = erase(library, Wanted("request-id", GONE), bundles=[bundle])
    assert receipt.complete
    assert naming(GONE, bundle) == []
    after = Findings.model_validate_json((bundle / "findings.json").read_bytes())
    earlier = Findings.model_validate_json(before["findings.json"])
    assert [one.verdict for one in after.assessments] == [one.verdict for one in earlier.assessments]
    assert set(earlier.gaps[0].samples) - set(after.gaps[0].samples) == {GONE}
    rows = list(csv.DictReader((bundle / "coverage.csv").open(newline="")))
    assert len(rows) == before["coverage.csv"].count(b"\n") - 1 - before["coverage.csv"].count(GONE.encode())
    assert not (bundle / "report.html").exists()
    assert not (bundle / "report.pdf").exists()
    assert (bundle / "generators/contribution:12/weights.safetensors").exists()
    assert receipt.retrain == ["contribution:12"]
    mark = json.loads((bundle / "generators/contribution:12/retrain.json").read_text())
    assert (mark["why"], mark["erasure"]) == ("samples were erased from the library", receipt.id)
    assert library.tracking.tags()["foveal.retrain"] == '["contribution:12"]'


def test_tables_lose_the_erased_names_and_nothing_else(library, bundle):
    before = {name: read_table(bundle / name)[1] for name in (TRAINING, WORKLIST)}
    assert TRAINED in {row["sample"] for row in before[TRAINING]}
    for name, kind in ((GONE, "request-id"), (TRAINED, "sample")):
        erase(library, Wanted(kind, name), bundles=[bundle])
    assert naming(GONE, bundle) == naming(TRAINED, bundle) == []
    after = {name: read_table(bundle / name)[1] for name in before}
    assert after[TRAINING] == [row for row in before[TRAINING] if row["sample"] != TRAINED]
    assert [row["mask"] for row in after[WORKLIST]] == [row["mask"] for row in before[WORKLIST]]
    assert len(after[WORKLIST]) == 2
    assert verify_manifest(bundle) == []
    assert misfits(read_training(bundle), read(bundle).assessments, redacted=True) == []
    assert misfits(read_training(bundle), read(bundle).assessments) != []


def read(bundle):
    return Findings.model_validate_json((bundle / "findings.json").read_bytes())


def test_generators_that_did_not_see_it_stay_as_they_are(library, bundle):
    erase(library, Wanted("request-id", GONE), bundles=[bundle])
    assert sorted(path.name for path in (bundle / "generators/fc1:7").iterdir()) == [
        "card.json",
        "samples.png",
        "weights.safetensors",
    ]


def test_the_manifest_keeps_its_signature_and_says_what_was_taken_out(library, bundle, monkeypatch):
    monkeypatch.setattr("foveal_audit.commands.verify._rule", lambda: None)  # the numbers are made up
    manifest = (bundle / "manifest.json").read_bytes()
    receipt = erase(library, Wanted("request-id", GONE), bundles=[bundle])
    assert (bundle / "manifest.json").read_bytes() == manifest
    assert verify_manifest(bundle) == []
    result = check(bundle)
    assert result["intact"]
    assert {path for path, now in result["redacted"].items() if now is None} == {
        "report.html",
        "report.pdf",
        "generators/contribution:12/samples.png",
    }
    (redaction,) = json.loads((bundle / "redactions.json").read_text())["redactions"]
    assert redaction["erasure"] == receipt.id
    told = {file.path: (file.was, file.now) for file in receipt.files if file.place == str(bundle)}
    assert told == {path: (change["was"], change["now"]) for path, change in redaction["files"].items()}
    was = json.loads(manifest)["files"]
    assert all(change["was"] == was.get(path) for path, change in redaction["files"].items())


@pytest.mark.parametrize("path", ["findings.json", "generators/contribution:12/card.json", "redactions.json"])
def test_what_is_changed_afterwards_is_still_found(library, bundle, path):
    erase(library, Wanted("request-id", GONE), bundles=[bundle])
    (bundle / path).write_bytes((bundle / path).read_bytes() + b"!")
    assert verify_manifest(bundle)[0].startswith(f"{path}: ")


def test_an_audit_of_shards_that_were_merged_since_is_concerned_too(library, bundle, tmp_path):
    """Nothing but the hashes of its shards ties the bundle to a sample that it does not name."""
    from foveal.library.compacting import compact  # noqa: PLC0415

    library.add([observation("unnamed", "production")], "more")
    compact(library)
    receipt = erase(library, Wanted("sample", TRAINED), bundles=[bundle])
    assert receipt.counts["bundles"]["bundles"] == 1
    assert naming(TRAINED, bundle) == []


def test_a_bundle_that_turns_up_later_is_redacted_by_the_same_erasure(library, bundle, tmp_path):
    late = tmp_path / "late"
    bundle.rename(late)
    erase(library, Wanted("before", "2026-03-02", ("production",)))
    assert naming(GONE, late) != []
    receipt = erase(library, Wanted("before", "2026-03-02", ("production",)), bundles=[late])
    assert naming("request-", late) == []
    assert receipt.id
    assert verify_manifest(late) == []


def test_a_name_that_only_an_expert_s_note_holds_is_taken_out(library, make_result, tmp_path):
    ref = LibraryRef(name="nodules", run_id=library.run_id, uri="somewhere")
    note = Opinion(event="e" * 64, time="2026-03-01T12:00:00Z", who="ada", note="as in patient-0815.png")
    experts = Experts(events=1, heads=["e" * 64], said=[Said(subject="fc1:7", opinions=[note])])
    bundle = write_bundle(make_result(library=ref, experts=experts), tmp_path / "bundle", documents={})
    erased = Erased(
        erasure="x",
        when="2026-03-02T00:00:00Z",
        run_id=library.run_id,
        stale=frozenset(),
        names=frozenset({"patient-0815.png"}),
        features=frozenset(),
        holds=lambda source, name: name != "patient-0815.png",
    )
    assert redact(bundle, erased) is not None
    assert naming("patient-0815.png", bundle) == []
    read = Findings.model_validate_json((bundle / "findings.json").read_bytes())
    assert read.experts.said[0].opinions[0].note == "as in [erased]"
    assert redact(bundle, replace(erased, erasure="y")) is None


def test_a_bundle_of_another_library_is_left_alone(library, make_result, tmp_path):
    other = write_bundle(make_result(), tmp_path / "other", documents={"report.html": lambda result: GONE})
    before = files(other)
    receipt = erase(library, Wanted("request-id", GONE), bundles=[other])
    assert files(other) == before
    assert "bundles" not in receipt.counts


def test_bundles_in_mlflow_are_found_by_themselves(library, bundle):
    log_bundle(bundle, library)
    (run,) = [path.parent for path in Path(library.url).parent.parent.glob("*/artifacts/report.html")]
    receipt = erase(library, Wanted("request-id", GONE))
    assert receipt.counts["bundles"]["bundles"] == 1
    assert not (run / "report.html").exists()
    assert naming(GONE, run) == []
    assert verify_manifest(run) == []


def test_a_redaction_that_was_cut_off_is_finished(library, bundle, monkeypatch):
    from foveal_audit.bundle import redacting  # noqa: PLC0415

    whole, left = redacting.write_whole, [0]

    def cut(*args):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        whole(*args)

    before = files(bundle)
    for steps in (0, 1, 2, 1):
        left[0] = steps
        with monkeypatch.context() as patch:
            patch.setattr(redacting, "write_whole", cut)
            with pytest.raises(KeyboardInterrupt):
                erase(library, Wanted("request-id", GONE), bundles=[bundle])
    receipt = erase(library, Wanted("request-id", GONE), bundles=[bundle])
    assert naming(GONE, bundle) == []
    assert verify_manifest(bundle) == []
    told = {file.path: file.was for file in receipt.files if file.place == str(bundle)}
    assert len(told) == 7
    assert sum(was is not None for was in told.values()) == 6
    assert set(told) - set(before) == {"generators/contribution:12/retrain.json"}


def test_what_is_no_bundle_is_told(library, tmp_path):
    (tmp_path / "empty").mkdir()
    (told,) = erase(library, Wanted("request-id", GONE), bundles=[tmp_path / "empty"]).unreached
    assert told.place == str(tmp_path / "empty")
    assert told.mend == "Give the folder that `foveal audit -o` wrote"
    with pytest.raises(UsageError, match="is not a bundle"):
        redact(tmp_path / "empty", None)
