"""Spacing and band in a library: beside shards that have neither, in every way that they are read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from foveal.library import to_entries, to_samples
from foveal.library.compacting import compact
from foveal.library.light import INDEX, LIGHT, light_of, read_light
from foveal.library.made import Made
from foveal.library.schema import ENTRIES, LATER, SAMPLES, entries_table, samples_table
from foveal.library.verifying import verify
from foveal.samples.arrays import encode_crop

BAND = (1900.5, 2300.25)
CROP = encode_crop(np.zeros((4, 4, 1), np.uint8))


def pictured(observation):
    """Give crops that can be decoded, as a thorough check does."""
    return replace(
        observation,
        entries=tuple(replace(one, crop=CROP, window=(0, 0, 4, 4)) for one in observation.entries),
    )


@pytest.fixture
def old(observe):
    """As a version without these columns wrote it, and as pictures are written still."""
    return [pictured(observe(name)) for name in ("a", "b")]


@pytest.fixture
def new(observe):
    one = pictured(observe("c", spacing=(1 / 360,)))
    return [
        replace(one, entries=(replace(one.entries[0], band=BAND), one.entries[1])),
        pictured(observe("d")),
    ]


@pytest.fixture
def mixed(library, old, new):
    library.add(old, "old")
    library.add(new, "new")
    return library


def test_a_shard_has_them_where_something_is_said(old, new):
    for made, table in ((samples_table, SAMPLES), (entries_table, ENTRIES)):
        there = [name for name in LATER if name in table.names]
        assert made(old).column_names == [name for name in table.names if name not in LATER]
        assert [name for name in made(new).column_names if name in LATER] == there


def test_both_are_read_as_one(mixed, old, new):
    found = {one.sample: one.spacing for one in to_samples(mixed.samples())}
    assert found == {"a": None, "b": None, "c": (1 / 360,), "d": None}
    whole = {(one.sample, one.feature): one.band for one in to_entries(mixed.entries())}
    assert {key: band for key, band in whole.items() if band} == {("c", "fc1:7"): BAND}
    assert len(whole) == 8
    told = mixed.query(sample="c").table(["feature", "spacing", "band"]).to_pylist()
    assert sorted((row["feature"], row["spacing"], row["band"]) for row in told) == [
        ("contribution", [1 / 360], None),
        ("fc1:7", [1 / 360], list(BAND)),
    ]


def test_records_come_back_as_they_were_added(mixed, old, new, alike):
    back = {one.sample.sample: one for one in mixed.observations()}
    assert all(alike(back[one.sample.sample], one) for one in (*old, *new))


def test_a_library_without_them_is_read_and_added_to(library, old, new):
    library.add(old, "old")
    assert library.samples(columns=["spacing"])["spacing"].null_count == 2
    assert library.query().table(["band"])["band"].null_count == 4
    library.add(new, "new")
    assert library.samples(columns=["sample", "spacing"]).to_pylist()[2] == {
        "sample": "c",
        "spacing": [1 / 360],
    }


def test_both_become_one_shard_and_hold(mixed, old, new, alike):
    wrong = "does not have the hash of its records"
    assert wrong not in {one.fault for one in verify(mixed, deep=True).findings}
    compact(mixed)
    assert len(mixed.shards()) == 1
    assert wrong not in {one.fault for one in verify(mixed, deep=True).findings}
    back = {one.sample.sample: one for one in mixed.observations()}
    assert all(alike(back[one.sample.sample], one) for one in (*old, *new))


def test_the_index_says_what_the_entries_say(tmp_path, old, new):
    for number, records in enumerate((old, new)):
        made = Made(records)
        files = {kind: tmp_path / f"{kind}-{number}.parquet" for kind in made.files}
        for kind, file in files.items():
            file.write_bytes(made.files[kind])
        indexed, plain = read_light(files["samples"]), light_of(files["entries"])
        assert indexed.schema == plain.schema == LIGHT
        assert indexed.drop_columns("digest") == plain.drop_columns("digest")
        known = pq.read_schema(files["samples"]).field(INDEX).type.value_type
        assert ("band" in [field.name for field in known]) == (records is new)
