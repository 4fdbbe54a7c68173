"""Compacting: fewer shards, the same library."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal.library.compacting import compact
from foveal.library.tracking import Tracking
from foveal.library.upkeep import alone

_SHARDS = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abcde"), min_size=1, max_size=4),
        st.sampled_from(["training", "production", "production"]),
        st.sampled_from(["c", "c", "d"]),
    ),
    max_size=7,
)


def seen(library):
    """What anybody can read of a library, by whatever selection."""
    tables = [
        getattr(library, kind)(source, **chosen)
        for kind in ("samples", "entries")
        for source, chosen in ((None, {}), ("production", {"config_sha256": "d"}))
    ]
    return [table.to_pylist() for table in tables], library.features()


def plain(observations):
    return sorted(
        repr((one.sample, [(entry.id, entry.crop, entry.map.tolist()) for entry in one.entries]))
        for one in observations
    )


def test_small_neighbours_become_one_and_nobody_can_tell(library, again, observe):
    for number in range(7):
        library.add([observe(f"s{number}"), observe("again")], f"shard {number}".replace(" ", "-"))
    before = seen(library)
    done = compact(library, rows=12)
    assert (done.before, done.after) == (7, 3)
    assert [len(old) for old in done.merged.values()] == [3, 3]
    assert seen(again(library)) == seen(library) == before
    assert [shard["rows"]["entries"] for shard in again(library).shards()] == [8, 8, 4]
    names = {path.stem for path in (Path(library.url) / "entries").iterdir()}
    assert names == {shard["name"] for shard in library.shards()}
    assert compact(library, rows=4).merged == {}


@settings(max_examples=5)
@given(shards=_SHARDS, rows=st.integers(1, 12))
def test_any_library_reads_the_same(tracking_uri, observe, shards, rows):
    name = f"any {abs(hash((repr(shards), rows, os.urandom(8))))}"
    library = Library(name, tracking_uri)
    library.add([observe("first", source="validation")], "first")
    for number, (samples, source, config) in enumerate(shards):
        features = ("fc1:7", "contribution")[: 1 + number % 2]
        library.add(
            [
                observe(each, features, source=source, config_sha256=config, label=str(number))
                for each in samples
            ],
            f"s{number}",
        )
    before, records = seen(library), plain(library.observations())
    compact(library, rows)
    late = Library(name, tracking_uri)
    assert seen(late) == before
    assert plain(late.observations()) == records


def test_a_segment_shipped_again_afterwards_changes_nothing(library, again, observe):
    library.add([observe("a")], "one")
    library.add([observe("b")], "two")
    compact(library)
    assert again(library).add([observe("a")], "one").samples == 0
    assert len(again(library).shards()) == 1


def test_a_library_is_not_compacted_twice_at_once(library, observe):
    library.add([observe("a")], "one")
    with alone(library.tracking), pytest.raises(EnvironmentFault, match="is being erased from or compacted"):
        compact(library)


def test_rows_have_to_be_some(library):
    with pytest.raises(UsageError) as caught:
        compact(library, rows=0)
    assert str(caught.value) == "Shards of 0 entries cannot be made. Give --rows a number above 0."


def _killed_at(step, name, uri):
    left = [step]

    def counted(function):
        def call(*args):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args)

        return call

    Tracking.put, Tracking.delete = counted(Tracking.put), counted(Tracking.delete)
    compact(Library(name, uri), rows=9)


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.full)])
def test_compacting_may_be_killed_at_every_step(tracking_uri, observe, stride):
    for step in range(0, 100, stride):
        library = Library(f"cut {step} by {stride}", tracking_uri)
        for number in range(5):
            library.add([observe(f"s{number}"), observe("again")], f"s{number}")
        before = seen(library)
        process = multiprocessing.get_context("fork").Process(
            target=_killed_at, args=(step, library.name, tracking_uri)
        )
        process.start()
        process.join()
        late = Library(library.name, tracking_uri)
        assert seen(late) == before
        compact(late, rows=100)
        assert seen(late) == before
        assert len(late.shards()) == 1
        assert len(list((Path(late.url) / "manifests").iterdir())) == 1
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert step > 10
