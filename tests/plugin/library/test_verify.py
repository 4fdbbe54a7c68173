"""Verifying: an intact library has no findings, and whatever is done to its files is found."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foveal.library import Library
from foveal.library.verifying import verify
from foveal.records import Observation, entry_id
from foveal.samples.arrays import encode_crop
from foveal.samples.images import encode_png

RESTORE = "Bring it back from a backup of the MLflow store"


@pytest.fixture
def proper(observe):
    """Make an observation whose ids and crops are as they come from the worker or from collecting."""

    def make(name, **fields):
        one = observe(name, **fields)
        sample = one.sample
        key = name if sample.source == "production" else f"{sample.source}\0{name}\0{sample.sample_sha256}"
        entries = [
            replace(
                entry,
                id=entry_id(key, sample.row, entry.feature, rank, sample.model_sha256),
                crop=encode_png(np.full((4, 4, 1), rank, np.uint8)),
            )
            for rank, entry in enumerate(one.entries)
        ]
        return Observation(sample, tuple(entries))

    return make


@pytest.fixture
def intact(library, proper):
    library.add([proper("r1"), proper("r2", row=1)], "one")
    library.add([proper("x/a.png", source="training")], "two")
    library.assign({proper("r1").entries[1].id: "contribution:1"}, "a" * 32)
    return library


def found(library, deep=False):
    late = Library(library.name, library.tracking_uri)
    return [(one.place, one.fault, one.mend) for one in verify(late, deep).findings]


def rewritten(library, change, name="entries/one.parquet"):
    """Change a file and the manifest with it, as somebody would who knows how."""
    root = Path(library.url)
    pq.write_table(change(pq.read_table(root / name)), root / name)
    manifest = root / "manifests" / f"{Path(name).stem}.json"
    fields = json.loads(manifest.read_text())
    fields[name.split("/")[0]]["sha256"] = hashlib.sha256((root / name).read_bytes()).hexdigest()
    manifest.write_text(json.dumps(fields))


def column(name, values):
    def change(table):
        field = table.schema.field(name)
        return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))

    return change


def test_an_intact_library_has_no_findings(intact):
    done = verify(intact, deep=True)
    assert (done.shards, done.samples, done.entries, done.findings) == (2, 3, 6, [])


def test_files_that_are_gone_or_changed_are_found(intact):
    root = Path(intact.url)
    (root / "samples" / "one.parquet").unlink()
    content = bytearray((root / "entries" / "two.parquet").read_bytes())
    content[100] ^= 1
    (root / "entries" / "two.parquet").write_bytes(content)
    assert found(intact) == [
        ("samples/one.parquet", "is missing", RESTORE),
        ("entries/two.parquet", "was changed", RESTORE),
        ("units", "1 of 1 ids are of no entry", "Audit the library again"),
    ]


def test_shards_that_were_never_finished_are_found(intact):
    (Path(intact.url) / "manifests" / "two.json").write_bytes(b'{"version": 1, "na')
    again = "Ship or collect again: it is finished then"
    assert found(intact) == [
        (
            "manifests/two.json",
            "cannot be read, its shard does not count",
            "Ship or collect it again, or bring it back from a backup of the MLflow store",
        ),
        ("samples/two.parquet", "belongs to no shard that counts", again),
        ("entries/two.parquet", "belongs to no shard that counts", again),
    ]


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("sample_at", [0, 0, 1, 7], "has entries of samples that are not there"),
        ("sample", ["r1", "r2", "r2", "r2"], "has entries whose sample is not that of their sample"),
        ("id", ["x", "x", "y", "z"], "has two entries of one id"),
        ("id", ["x", "y", "v", "w"], "has 4 entries of a wrong id, such as x"),
    ],
)
def test_records_that_do_not_fit_are_found(intact, name, values, fault):
    rewritten(intact, column(name, values))
    assert ("entries/one.parquet", fault, RESTORE) in found(intact)


def test_a_deep_look_finds_broken_crops_and_changed_records(intact):
    rewritten(intact, column("crop", [b"", b"\x89PNG", b"GIF89a", b"x" * 99]))
    assert found(intact) == []
    findings = found(intact, deep=True)
    assert [fault for _, fault, _ in findings if "cannot be decoded" in fault]
    assert len(findings) == 5
    assert findings[-1] == ("manifests/one.json", "does not have the hash of its records", RESTORE)


def test_a_deep_look_reads_crops_that_are_arrays(intact):
    whole = encode_crop(np.zeros((6, 2), np.float32))
    rewritten(intact, column("crop", [whole, whole[:-1], whole, b"\x93NUMPY"]))
    broken = [fault for _, fault, _ in found(intact, deep=True) if "cannot be decoded" in fault]
    assert len(broken) == 2


def test_units_of_entries_that_are_not_there_are_found(intact):
    intact.assign({"nobody": "contribution:2"}, "b" * 32)
    assert found(intact) == [("units", "1 of 1 ids are of no entry", "Audit the library again")]
