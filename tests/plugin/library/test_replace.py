"""Shards in the place of others, cut off anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foveal.errors import UsageError
from foveal.library import Added, ShardConflictError


def files(library):
    return {path.relative_to(library.url).as_posix() for path in Path(library.url).rglob("*.*")}


def shard_files(name):
    return {f"samples/{name}.parquet", f"entries/{name}.parquet", f"manifests/{name}.json"}


def names(library):
    return library.samples()["sample"].to_pylist()


@pytest.fixture
def three(library, observe):
    """A library of three shards, two of them to be replaced."""
    for number, name in enumerate("abc"):
        library.add([observe(f"{name}{n}") for n in range(2)], f"shard-{number}")
    return library


def test_a_shard_in_the_place_of_others(three, again, observe):
    old = three.store.shards()[:2]
    new = three.store.replace(old, [observe("a0"), observe("b1")], "merged")
    assert (new.sequence, new.replaces) == (1, ("shard-0", "shard-1"))
    for view in (three, again(three)):
        assert names(view) == ["a0", "b1", "c0", "c1"]
    assert files(three) == {
        *shard_files("merged"),
        *shard_files("shard-2"),
        "replaced/shard-0.json",
        "replaced/shard-1.json",
    }


def test_a_replaced_shard_that_is_added_again_changes_nothing(three, again, observe):
    three.store.replace(three.store.shards()[:1], [], "merged")
    assert again(three).add([observe("a0"), observe("a1")], "shard-0") == Added(0, 0)
    assert names(again(three)) == ["b0", "b1", "c0", "c1"]
    with pytest.raises(ShardConflictError) as caught:
        again(three).add([observe("z")], "shard-0")
    assert str(caught.value) == (
        f"Shard 'shard-0' of library '{three.name}' already holds other records. "
        "Add these under another name."
    )


@pytest.mark.parametrize("deletions", range(6))
def test_a_replacement_that_was_cut_off_is_finished_by_doing_it_again(
    three, again, observe, monkeypatch, deletions
):
    done = []

    def cut_off(path):
        if len(done) == deletions:
            raise KeyboardInterrupt
        done.append(path)
        delete(path)

    old, kept = three.store.shards()[:2], [observe("a0"), observe("b1")]
    delete = three.tracking.delete
    monkeypatch.setattr(three.tracking, "delete", cut_off)
    with pytest.raises(KeyboardInterrupt):
        three.store.replace(old, kept, "merged")
    assert names(again(three)) == ["a0", "b1", "c0", "c1"]
    again(three).store.replace(old, kept, "merged")
    assert shard_files("shard-0") & files(three) == set()
    assert names(again(three)) == ["a0", "b1", "c0", "c1"]


def test_what_was_left_of_a_replaced_shard_never_counts_again(three, again, observe):
    """Its replacement is replaced in its turn while its manifest is still there."""
    manifest = Path(three.url) / "manifests" / "shard-0.json"
    left = manifest.read_bytes()
    merged = three.store.replace(three.store.shards()[:2], [observe("a0")], "merged")
    manifest.write_bytes(left)
    last = again(three).store.replace([merged], [], "last")
    assert last.replaces == ("merged", "shard-0")
    assert names(again(three)) == ["c0", "c1"]


def test_the_numbers_go_on_whatever_was_replaced(three, observe):
    three.store.replace(three.store.shards(), [observe("a0")], "merged")
    three.add([observe("a0", label="later")], "more")
    assert [shard.sequence for shard in three.store.shards()] == [2, 3]
    assert three.samples()["label"].to_pylist() == ["later"]


def test_a_library_without_the_tag_of_the_last_number_goes_on_from_its_shards(three, again, observe):
    client = __import__("mlflow").MlflowClient(three.tracking_uri)
    client.delete_tag(three.run_id, "foveal.sequence")
    again(three).add([observe("d")], "more")
    assert [shard.sequence for shard in three.store.shards()] == [0, 1, 2, 3]
    tag = client.get_run(three.run_id).data.tags["foveal.sequence"]
    assert json.loads(tag) == {"number": 3, "shard": "more"}


def test_a_name_that_others_have_is_refused(three, observe):
    with pytest.raises(ShardConflictError, match="'shard-2' of library"):
        three.store.replace(three.store.shards()[:1], [observe("a0")], "shard-2")


def test_shards_of_two_kinds_cannot_become_one(three, observe):
    three.add([observe("d", source="training")], "other")
    with pytest.raises(UsageError, match="Records of several sources, models or configurations cannot share"):
        three.store.replace(three.store.shards(), [], "merged")
