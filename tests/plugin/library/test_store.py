"""A library as its users see it: adding, reading, units, losses, against a store without a server."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

import foveal
from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Added, Library, library_names, to_entries, to_samples


def artifacts(library) -> Path:
    return Path(library.url)


def ids(table):
    return sorted(table["id"].to_pylist())


def test_what_was_added_can_be_read_back(library, again, observe, alike):
    observations = [observe(name) for name in ("b", "a", "ü/ç.png")]
    assert library.add(observations, "one") == Added(samples=3, entries=6)
    found = again(library)
    assert [s.sample for s in to_samples(found.samples())] == ["a", "b", "ü/ç.png"]
    assert all(alike(*pair) for pair in zip(found.observations(), observations, strict=True))
    by_id = {entry.id: entry for entry in to_entries(found.entries())}
    for entry in (entry for observation in observations for entry in observation.entries):
        assert by_id[entry.id].crop == entry.crop
        assert by_id[entry.id].map.tolist() == entry.map.tolist()
        assert by_id[entry.id].metadata == {"site": "Süd"}


def test_the_lazy_name_of_the_package_is_this_class():
    assert foveal.Library is Library


def test_adding_a_shard_again_changes_nothing(library, again, observe):
    library.add([observe("a")], "one")
    before = {path: path.stat().st_mtime_ns for path in artifacts(library).rglob("*.*")}
    assert again(library).add([observe("a")], "one") == Added(0, 0)
    assert {path: path.stat().st_mtime_ns for path in artifacts(library).rglob("*.*")} == before


def test_a_shard_name_with_other_records_is_refused(library, observe):
    library.add([observe("a")], "one")
    with pytest.raises(UsageError) as caught:
        library.add([observe("b")], "one")
    assert str(caught.value) == (
        f"Shard 'one' of library '{library.name}' already holds other records. Add these under another name."
    )


def test_a_shard_without_its_manifest_does_not_count_and_can_be_written_again(library, again, observe):
    library.add([observe("a")], "one")
    manifest = artifacts(library) / "manifests" / "one.json"
    whole = manifest.read_bytes()
    for cut in (None, 0, 1, len(whole) // 2, len(whole) - 1):
        manifest.unlink() if cut is None else manifest.write_bytes(whole[:cut])
        assert len(again(library).samples()) == 0
    assert again(library).add([observe("a")], "one") == Added(1, 2)
    assert manifest.read_bytes() == whole


def test_parquet_files_hold_nothing_but_the_records(library, tracking_uri, observe):
    """The same records in two libraries at different times give the same bytes."""
    other = Library(f"{library.name} again", tracking_uri)
    for each in (library, other):
        each.add([observe("a"), observe("b")], "one")
        time.sleep(0.01)
    for part in ("samples/one.parquet", "entries/one.parquet", "manifests/one.json"):
        assert (artifacts(library) / part).read_bytes() == (artifacts(other) / part).read_bytes()


def test_a_request_that_ran_twice_counts_once(library, observe):
    library.add([observe("r1"), observe("r2"), observe("r1")], "one")
    library.add([observe("r1"), observe("r3")], "two")
    assert library.samples()["sample"].to_pylist() == ["r1", "r2", "r3"]
    assert len(ids(library.entries())) == len(set(ids(library.entries()))) == 6
    assert [o.sample.sample for o in library.observations()] == ["r2", "r1", "r3"]
    assert [len(o.entries) for o in library.observations()] == [2, 2, 2]


def test_the_later_record_of_a_sample_counts_with_all_its_entries(library, again, observe):
    library.add([observe("b")], "mmm")
    library.add([observe("a", features=("fc1:1", "fc1:2"), config_sha256="1")], "zzz")
    library.add([observe("a", features=("fc1:3",), config_sha256="2")], "aaa")
    for view in (library, again(library)):
        assert view.features() == {"contribution": 1, "fc1:3": 1, "fc1:7": 1}
        assert view.samples(config_sha256="1")["sample"].to_pylist() == ["a"]
        assert view.entries(config_sha256="1")["feature"].to_pylist() == ["fc1:1", "fc1:2"]


def test_files_of_the_same_name_and_other_content_are_two_samples(library, observe):
    """Two hospitals may both call their first image img001.png."""
    library.add([observe("img001.png", sample_sha256="1")], "one")
    library.add([observe("img001.png", sample_sha256="2")], "two")
    assert library.samples()["sample_sha256"].to_pylist() == ["1", "2"]
    assert library.entries()["sample_sha256"].to_pylist() == ["1", "1", "2", "2"]


def test_selections_by_source_model_and_feature(library, observe):
    library.add([observe("a", source="training")], "one")
    library.add([observe("b", source="production", model_sha256="other")], "two")
    assert library.samples("training")["sample"].to_pylist() == ["a"]
    assert library.samples(model_sha256="other")["sample"].to_pylist() == ["b"]
    assert library.entries("fc1:7", "production")["sample"].to_pylist() == ["b"]
    assert len(library.entries("fc1:8")) == 0
    assert [o.sample.sample for o in library.observations("production")] == ["b"]


def test_columns_are_read_as_asked(library, observe):
    library.add([observe("a")], "one")
    assert library.samples(columns=["predicted", "sample"]).column_names == ["predicted", "sample"]
    assert library.entries("contribution", columns=["share"]).column_names == ["share"]
    assert "sample_at" not in library.entries().column_names
    with pytest.raises(UsageError) as caught:
        library.entries(columns=["shares"])
    assert str(caught.value).startswith("The entries have no column 'shares'. Did you mean 'share'")


def test_the_order_does_not_tell_the_history(library, tracking_uri, observe):
    other = Library(f"{library.name} reversed", tracking_uri)
    observations = [observe(name, row=row) for name in "cab" for row in (1, 0)]
    for n, observation in enumerate(observations):
        library.add([observation], f"s{n}")
        other.add([observations[-1 - n]], f"t{n}")
    assert library.samples().equals(other.samples())
    assert library.entries().equals(other.entries())


def test_an_empty_library_has_empty_tables(library, observe):
    library.report_losses("writer", {"quota": 1})
    assert library.add([], "none") == Added(0, 0)
    assert (len(library.samples()), len(library.entries()), library.features()) == (0, 0, {})
    assert library.entries("fc1:1").column_names == library.entries().column_names
    assert list(library.observations()) == []


def test_records_of_two_models_do_not_share_a_shard(library, observe):
    with pytest.raises(UsageError) as caught:
        library.add([observe("a"), observe("b", model_sha256="other")], "one")
    assert str(caught.value) == (
        "Records of several sources, models or configurations cannot share a shard. "
        "Add them in groups, each under a name of its own."
    )


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 201])
def test_a_shard_name_that_is_no_file_name_is_refused(library, observe, name):
    with pytest.raises(UsageError, match="cannot name a shard"):
        library.add([observe("a")], name)


@pytest.mark.parametrize("name", ["", " x", "x\n", "\0"])
def test_a_library_name_that_is_none_is_refused(name):
    with pytest.raises(UsageError) as caught:
        Library(name)
    assert str(caught.value) == f"{name!r} cannot name a library. Give a name of printable characters."


def test_features_are_counted_in_the_order_people_count(library, observe):
    library.add([observe("a", features=("fc1:10", "fc1:2", "class:1", "fc1:2"))], "one")
    assert list(library.features().items()) == [("class:1", 1), ("fc1:2", 2), ("fc1:10", 1)]


def test_a_feature_library_samples_the_same_entries_for_the_same_seed(library, again, observe):
    library.add([observe(str(n)) for n in range(20)], "one")
    feature = library["fc1:7"]
    assert len(feature) == 20
    assert repr(feature) == f"FeatureLibrary('fc1:7' of '{library.name}': 20 entries)"
    drawn = [entry.id for entry in feature.sample(5, seed=3)]
    assert len(set(drawn)) == 5
    assert [entry.id for entry in again(library)["fc1:7"].sample(5, seed=3)] == drawn
    assert [entry.id for entry in feature.sample(5, seed=4)] != drawn
    assert sorted(entry.id for entry in feature.sample(99)) == ids(feature.table(["id"]))
    assert {entry.feature for entry in feature.entries()} == {"fc1:7"}
    assert feature.sample(0) == []
    with pytest.raises(UsageError, match="-1 entries cannot be drawn"):
        feature.sample(-1)


def test_an_unknown_feature_is_refused_with_the_nearest(library, observe):
    library.add([observe("a")], "one")
    with pytest.raises(UsageError) as caught:
        library["fc1:8"]
    assert str(caught.value) == (f"Library '{library.name}' has no entries of 'fc1:8'. Did you mean 'fc1:7'.")


def test_units_replace_the_recorded_feature_until_the_next_audit(library, again, observe):
    library.add([observe(name) for name in "abc"], "one")
    windows = library.entries("contribution")["id"].to_pylist()
    library.assign(
        {windows[0]: "contribution:0", windows[1]: "contribution:12", "gone": "contribution:3"}, "audit1"
    )
    for view in (library, again(library)):
        assert view.features() == {"contribution": 1, "contribution:0": 1, "contribution:12": 1, "fc1:7": 3}
        assert view["contribution:12"].entries()[0].id == windows[1]
        assert view.entries("contribution")["id"].to_pylist() == windows[2:]
        assert view.entries("contribution", units=False)["id"].to_pylist() == windows
    library.assign(dict.fromkeys(windows, "contribution:1"), "audit2")
    assert again(library).features() == {"contribution:1": 3, "fc1:7": 3}
    library.assign({}, "audit3")
    assert library.features() == {"contribution": 3, "fc1:7": 3}


def test_a_unit_that_is_none_is_refused(library):
    with pytest.raises(UsageError) as caught:
        library.assign({"x": "fc1:3"}, "audit1")
    assert str(caught.value) == "'fc1:3' cannot be a unit of windows. Write 'contribution:' and a number."


def test_shards_say_where_everything_comes_from(library, observe):
    library.add([observe("b", source="training"), observe("a", source="training")], "two")
    library.add([observe("c")], "one")
    one, two = library.shards()
    assert (one["name"], two["name"], two["source"], two["model_sha256"]) == (
        "one",
        "two",
        "training",
        "m" * 64,
    )
    assert two["rows"] == {"samples": 2, "entries": 4}
    for path, sha256 in two["files"].items():
        assert hashlib.sha256((artifacts(library) / path).read_bytes()).hexdigest() == sha256
    assert one["sha256"] != two["sha256"]


def test_losses_add_up_and_a_later_report_replaces_an_earlier_one(library, observe):
    library.add([observe("a")], "one")
    assert library.losses() == {}
    library.report_losses("writer1", {"quota": 2})
    library.report_losses("writer1", {"quota": 5, "disk_full": 1})
    library.report_losses("data", {"quota": 1, "unreadable": 1}, ["x.png"])
    assert library.losses() == {"disk_full": 1, "quota": 6, "unreadable": 1}
    assert json.loads((artifacts(library) / "losses" / "data.json").read_text())["samples"] == ["x.png"]


@pytest.mark.parametrize(("harm", "how"), [("change", "was changed"), ("delete", "is missing")])
def test_a_shard_that_was_tampered_with_is_not_read(library, again, observe, harm, how):
    library.add([observe("a")], "one")
    file = artifacts(library) / "entries" / "one.parquet"
    file.write_bytes(file.read_bytes() + b"!") if harm == "change" else file.unlink()
    with pytest.raises(EnvironmentFault) as caught:
        again(library).entries()
    assert str(caught.value) == (
        f"entries/one.parquet of library '{library.name}' {how}. "
        "Bring it back from a backup of the MLflow store."
    )


def test_a_library_of_a_newer_version_is_refused(library, again, observe):
    library.add([observe("a")], "one")
    manifest = artifacts(library) / "manifests" / "one.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(UsageError) as caught:
        again(library).samples()
    assert str(caught.value) == "A newer Foveal wrote this library. Update with: pip install -U foveal."


def test_many_small_shards_read_as_one(library, observe):
    for n in range(12):
        library.add([observe(f"{n:02d}-{m}") for m in range(3)], f"shard-{n}")
    assert len(library.samples()) == 36
    assert len(library["contribution"]) == 36


def test_names_are_listed(library, tracking_uri, observe):
    library.add([observe("a")], "one")
    assert library.name in library_names(tracking_uri)
    assert library_names(tracking_uri) == sorted(library_names(tracking_uri))


def test_a_library_introduces_itself(library, tracking_uri, observe):
    assert repr(library) == f"Library('{library.name}': not made yet, at {tracking_uri})"
    assert not library.exists()
    library.add([observe("a", source="training"), observe("b", source="training")], "one")
    library.add([observe("c")], "two")
    assert repr(library) == (
        f"Library('{library.name}': 1 production, 2 training samples, 6 entries, at {tracking_uri})"
    )


def test_the_note_says_what_is_in_the_library(library, observe):
    library.add([observe("a")], "one")
    library.report_losses("writer", {"quota": 4})
    library.publish_note()
    note = MlflowClient(library.tracking_uri).get_run(library.run_id).data.tags["mlflow.note.content"]
    assert "| production | 1 | 2 |" in note
    assert "Lost on the way: 4 quota." in note
