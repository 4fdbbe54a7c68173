"""From the spool into the library: exactly once, whatever happens on the way."""

from __future__ import annotations

import fcntl
import threading
import time
from itertools import count

import pytest

from foveal import shipper as shipping
from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal.library.tombstones import Tombstones
from foveal.library.tracking import Tracking
from foveal.library.wanted import Wanted
from foveal.shipper import ship
from foveal.spool import Spool
from foveal.spool.frame import encode_frame

_NUMBERS = count()


@pytest.fixture
def library(tracking_uri):
    return Library(f"shipped {next(_NUMBERS)}", tracking_uri)


def spool_some(folder, observe, names, **options):
    with Spool(folder, **options) as spool:
        for name in names:
            assert spool.append(observe(name))


def samples(library):
    return library.samples()["sample"].to_pylist()


def left_in(folder):
    return sorted(path.suffix for path in folder.iterdir() if path.name != "shipper.lock")


def test_every_segment_reaches_the_library_and_is_removed(spool_folder, library, observe):
    spool_some(spool_folder, observe, "abc", roll_bytes=1)
    shipped = ship(spool_folder, library)
    assert (shipped.segments, shipped.samples, shipped.entries) == (3, 3, 6)
    assert (shipped.torn, shipped.quarantined, shipped.dropped, shipped.still_open) == (0, 0, {}, 0)
    assert samples(library) == ["a", "b", "c"]
    assert left_in(spool_folder) == []


def test_each_models_records_go_to_the_library_of_its_name(spool_folder, tracking_uri, observe, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    one, other = f"model {next(_NUMBERS)}", f"model {next(_NUMBERS)}"
    spool_some(spool_folder.parent / one, observe, "a")
    spool_some(spool_folder.parent / other, observe, "b")
    (spool_folder.parent / "not a model").mkdir()
    assert set(ship(spool_folder.parent).libraries) == {one, other}
    assert (samples(Library(one)), samples(Library(other))) == (["a"], ["b"])
    spool_some(spool_folder.parent / one, observe, "c")
    assert set(ship(spool_folder.parent / one).libraries) == {one}
    assert samples(Library(one)) == ["a", "c"]


def test_a_living_writers_segment_waits(spool_folder, library, observe):
    with Spool(spool_folder) as spool:
        spool.append(observe("a"))
        assert ship(spool_folder, library).still_open == 1
        assert not library.exists()
    assert ship(spool_folder, library).samples == 1


def test_shipping_nothing_makes_no_library(spool_folder, library):
    spool_folder.mkdir(parents=True)
    assert ship(spool_folder, library).segments == 0
    assert not library.exists()


def test_a_missing_spool_is_refused(tmp_path, library):
    with pytest.raises(UsageError) as caught:
        ship(tmp_path / "none", library)
    assert str(caught.value) == (
        f"Spool '{tmp_path / 'none'}' is no folder. Give the folder named under spool.dir."
    )


def test_a_spool_has_one_shipper(spool_folder, library, observe):
    spool_some(spool_folder, observe, "a")
    for options in ({}, {"follow": True}):
        with (spool_folder / "shipper.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(EnvironmentFault) as caught:
                ship(spool_folder, library, **options)
        assert str(caught.value) == (
            f"Another shipper works on '{spool_folder}'. Leave it to that one, or stop it first."
        )
    assert ship(spool_folder, library).samples == 1


def test_a_segment_of_several_sources_and_models_becomes_several_shards(spool_folder, library, observe):
    with Spool(spool_folder) as spool:
        spool.append(observe("a"))
        spool.append(observe("b", source="training"))
        spool.append(observe("c", model_sha256="f" * 64))
    assert ship(spool_folder, library).samples == 3
    assert [shard["source"] for shard in library.shards()] == ["production", "production", "training"]
    assert samples(library) == ["a", "c", "b"]


def test_a_torn_tail_is_passed_over(spool_folder, library, observe):
    spool_folder.mkdir(parents=True)
    frames = [encode_frame(observe(name)) for name in "ab"]
    (spool_folder / "w-0.open").write_bytes(b"".join(frames)[:-7])
    shipped = ship(spool_folder, library)
    assert (shipped.samples, shipped.torn, shipped.quarantined) == (1, 1, 0)
    assert library.losses() == {}
    assert left_in(spool_folder) == []


def test_a_damaged_segment_is_shipped_as_far_as_it_reads_and_kept(spool_folder, library, observe):
    spool_folder.mkdir(parents=True)
    frames = [encode_frame(observe(name)) for name in "abc"]
    data = bytearray(b"".join(frames))
    data[len(frames[0]) + 50] ^= 1
    (spool_folder / "w-0.seg").write_bytes(data)
    shipped = ship(spool_folder, library)
    assert (shipped.samples, shipped.quarantined) == (2, 1)
    assert samples(library) == ["a", "c"]
    assert library.losses() == {"damaged": 1}
    assert (spool_folder / "quarantine" / "w-0.seg").read_bytes() == data
    assert ship(spool_folder, library).segments == 0


def test_a_segment_damaged_after_it_was_shipped_does_not_block_the_others(spool_folder, library, observe):
    spool_folder.mkdir(parents=True)
    frames = [encode_frame(observe(name)) for name in "ab"]
    (spool_folder / "w-0.seg").write_bytes(b"".join(frames))
    ship(spool_folder, library)
    (spool_folder / "w-0.seg").write_bytes(frames[0])
    (spool_folder / "w-1.seg").write_bytes(encode_frame(observe("c")))
    shipped = ship(spool_folder, library)
    assert (shipped.samples, shipped.quarantined) == (1, 1)
    assert samples(library) == ["a", "b", "c"]


def test_files_of_odd_names_do_not_block_the_spool(spool_folder, library, observe):
    spool_folder.mkdir(parents=True)
    (spool_folder / f".{'ö x' * 60}.seg").write_bytes(encode_frame(observe("a")) + b"damage")
    (spool_folder / "-?.losses").write_text('{"quota": 1}')
    assert ship(spool_folder, library).samples == 1
    assert library.losses() == {"damaged": 1, "quota": 1}


def test_leftovers_of_a_killed_shipper_are_removed(spool_folder, library, observe):
    spool_some(spool_folder, observe, "a")
    (spool_folder / "w-0.done").write_bytes(encode_frame(observe("shipped before")))
    ship(spool_folder, library)
    assert samples(library) == ["a"]
    assert left_in(spool_folder) == []


@pytest.mark.parametrize("step", range(12))
def test_dying_at_any_step_loses_and_doubles_nothing(spool_folder, library, observe, monkeypatch, step):
    """Cut the shipper off before its n-th change of the library or the spool, then ship again."""
    spool_some(spool_folder, observe, "abc", roll_bytes=1)
    steps = count()

    def dying(real):
        def change(*args, **kwargs):
            if next(steps) == step:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        return change

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "put", dying(Tracking.put))
        patch.setattr(shipping.Path, "rename", dying(shipping.Path.rename))
        patch.setattr(shipping.Path, "unlink", dying(shipping.Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            ship(spool_folder, library)
    ship(spool_folder, library)
    assert samples(library) == ["a", "b", "c"]
    assert sorted(library.features().items()) == [("contribution", 3), ("fc1:7", 3)]
    assert sum(shard["rows"]["samples"] for shard in library.shards()) == 3
    assert left_in(spool_folder) == []


def test_dropped_observations_are_put_on_record_once(spool_folder, library, observe, monkeypatch):
    with Spool(spool_folder, max_bytes=5000) as spool:
        appended = sum(spool.append(observe(str(n))) for n in range(20))
        for _ in range(2):
            assert ship(spool_folder, library).dropped == {"quota": 20 - appended}
        assert spool.append(observe("later")) is False
    assert ship(spool_folder, library).dropped == {"quota": 21 - appended}
    assert library.losses() == {"quota": 21 - appended}
    assert left_in(spool_folder) == [".losses"]
    monkeypatch.setattr(shipping, "_NEW_SECONDS", -1.0)
    ship(spool_folder, library)
    assert left_in(spool_folder) == []
    assert library.losses() == {"quota": 21 - appended}
    assert len(samples(library)) == appended


def test_a_disk_that_fails_is_named(spool_folder, library, observe, monkeypatch):
    spool_some(spool_folder, observe, "a")

    def refuse(path):
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shipping, "read_segment", refuse)
        with pytest.raises(EnvironmentFault) as caught:
            ship(spool_folder, library)
    assert str(caught.value).startswith(f"Spool '{spool_folder}' cannot be worked on: Input/output error (")
    assert ship(spool_folder, library).samples == 1


def test_following_ships_what_comes_and_takes_a_last_look(spool_folder, library, observe, monkeypatch):
    monkeypatch.setattr(shipping, "_POLL_SECONDS", 0.05)
    spool_folder.mkdir(parents=True)
    stop = threading.Event()
    results = []
    thread = threading.Thread(target=lambda: results.append(ship(spool_folder, library, True, stop)))
    thread.start()
    spool_some(spool_folder, observe, "ab", roll_bytes=1)
    deadline = time.monotonic() + 60
    while left_in(spool_folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    spool_some(spool_folder, observe, "c")
    thread.join(timeout=60)
    ship(spool_folder, library)
    assert samples(library) == ["a", "b", "c"]
    assert results[0].samples >= 2


def test_following_waits_out_a_server_that_is_away(spool_folder, library, observe, monkeypatch, caplog):
    monkeypatch.setattr(shipping, "_POLL_SECONDS", 0.01)
    spool_some(spool_folder, observe, "a")
    stop, failures = threading.Event(), []

    def away(*args):
        failures.append(1)
        if len(failures) > 2:
            monkeypatch.undo()
            stop.set()
        raise EnvironmentFault("MLflow at http://x does not answer", "Start it")

    monkeypatch.setattr(Library, "add", away)
    shipped = ship(spool_folder, library, follow=True, stop=stop)
    assert (len(failures), shipped.samples) == (3, 1)
    assert samples(library) == ["a"]
    assert caplog.messages[0].startswith("MLflow at http://x does not answer. Start it. Everything stays")


def test_without_following_a_server_that_is_down_is_an_error_and_keeps_the_spool(spool_folder, observe):
    spool_some(spool_folder, observe, "a")
    with pytest.raises(EnvironmentFault, match="does not answer"):
        ship(spool_folder, Library("nodules", "http://127.0.0.1:9"))
    assert left_in(spool_folder) == [".seg"]


def test_segments_are_written_one_after_the_other_though_the_next_is_made(
    spool_folder, library, observe, monkeypatch
):
    """The lookahead changes nothing of what a kill can find: writes and renames stay in their order."""
    spool_some(spool_folder, observe, "abc", roll_bytes=1)
    names = [path.stem for path in sorted(spool_folder.glob("*.seg"))]
    steps = []

    def noted(what, real):
        def change(self, path, *args):
            steps.extend((what, number) for number, name in enumerate(names) if name in f"{self}{path}")
            return real(self, path, *args)

        return change

    monkeypatch.setattr(Tracking, "put", noted("put", Tracking.put))
    monkeypatch.setattr(shipping.Path, "rename", noted("rename", shipping.Path.rename))
    ship(spool_folder, library)
    assert steps == [
        (what, number) for number in range(3) for what in ("put", "put", "put", "rename")
    ]  # two files and the manifest


def test_what_is_erased_after_it_was_made_does_not_come_back(spool_folder, library, observe, monkeypatch):
    library.add([observe("before")], "before")
    spool_some(spool_folder, observe, "ab", roll_bytes=1)
    made, add, real = threading.Event(), Library.add, Library.made

    def making(self, observations):
        held = list(observations)
        shard = real(self, held)
        if held[0].sample.sample == "b":
            made.set()
        return shard

    def adding(self, *args):
        if made.wait(30):
            Tombstones(self.tracking).add(Wanted("request-id", "b"))
        return add(self, *args)

    monkeypatch.setattr(Library, "made", making)
    monkeypatch.setattr(Library, "add", adding)
    assert ship(spool_folder, library).samples == 1
    assert samples(library) == ["a", "before"]
    assert left_in(spool_folder) == []


def test_while_mlflow_is_away_no_crop_is_cut_in_vain(spool_folder, observe, monkeypatch):
    spool_some(spool_folder, observe, "ab", roll_bytes=1)
    monkeypatch.setattr(Library, "made", lambda *_: pytest.fail("made"))
    with pytest.raises(EnvironmentFault, match="does not answer"):
        ship(spool_folder, Library("nodules", "http://127.0.0.1:9"))
    assert left_in(spool_folder) == [".seg", ".seg"]
