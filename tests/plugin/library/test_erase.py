"""Erasing: gone from everywhere, never back, whatever it is cut off in."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from ready_stores import ready_server

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library, artifacts, leftovers
from foveal.library import spooled as spooled_module
from foveal.library.annotations import Annotations
from foveal.library.compacting import compact
from foveal.library.erasing import erase
from foveal.library.opinions import standings
from foveal.library.spooled import held
from foveal.library.tombstones import Tombstones
from foveal.library.tracking import Tracking
from foveal.library.unsaying import ERASED, _Names
from foveal.library.upkeep import alone
from foveal.library.verifying import verify
from foveal.library.wanted import Wanted
from foveal.records import Negative
from foveal.shipper import ship
from foveal.spool import Spool, read_segment, sealed_segments

MARK = "Nachtigall-7719"


@pytest.fixture
def marked(observe):
    """Make an observation that carries the mark in its metadata, its crops and its label."""

    def make(name="r1", **fields):
        one = observe(name, **{"metadata": {"patient": MARK}, "label": MARK, "origin": None, **fields})
        entries = tuple(_with_mark(entry) for entry in one.entries)
        return type(one)(one.sample, entries)

    return make


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Nobody else writes: unfinished shards need no second look a while later."""
    monkeypatch.setattr(leftovers, "_MOMENT_SECONDS", 0.01)


def _with_mark(entry):
    return type(entry)(**{**vars(entry), "crop": b"\x89PNG" + MARK.encode() + os.urandom(40)})


def holding(mark: str, *folders: Path) -> list[str]:
    """Name the files below folders that hold a text, packed Parquet pages unpacked."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if mark.encode() in path.read_bytes() or mark in _table(path)]


def _table(path):
    return str(pq.read_table(path).to_pydict()) if path.suffix == ".parquet" else ""


def places(library, tmp_path) -> list[Path]:
    """Everything that an erasure has to clean: the library's run, the cache, the spool."""
    return [Path(library.url), tmp_path]


def kept(library):
    return library.samples()["sample"].to_pylist()


def contents(*folders):
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and ".duckdb" not in path.name
    }


def test_a_request_goes_with_all_its_rows_and_nothing_else_does(library, again, observe, marked, alike):
    others = [observe("r2"), observe("r3", metadata={"patient": "x"})]
    library.add([others[0], marked("r1"), marked("r1", row=1), others[1]], "one")
    library.add([observe("r4")], "two")
    receipt = erase(library, Wanted("request-id", "r1"))
    assert kept(again(library)) == kept(library) == ["r2", "r3", "r4"]
    assert all(alike(*pair) for pair in zip(again(library).observations(), others, strict=False))
    assert receipt.counts["library"] == {"unfinished": 0, "samples": 2, "files": 1, "entries": 4}
    assert receipt.complete
    assert holding(MARK, Path(library.url)) == []


def test_files_of_a_data_set_are_found_by_name_and_by_place(library, observe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library.add([observe("a.png", origin=str(tmp_path / "x" / "a.png")), observe("b.png")], "one")
    library.add([observe("c.png", source="training", origin=str(tmp_path / "c.png"))], "two")
    erase(library, Wanted("sample", "x/a.png"))
    assert kept(library) == ["b.png", "c.png"]
    erase(library, Wanted("sample", "b.png"))
    erase(library, Wanted("sample", "c.png"))
    assert kept(library) == []


def test_a_date_takes_what_was_recorded_before_of_the_sources_named(library, observe):
    library.add(
        [observe("old", time="2026-01-31T23:59:59Z"), observe("new", time="2026-02-01T00:00:00Z")], "1"
    )
    library.add([observe("east", time="2026-02-01T01:00:00+02:00"), observe("odd", time="yesterday")], "2")
    library.add([observe("file", time="2026-01-01T00:00:00Z", source="training")], "3")
    receipt = erase(library, Wanted("before", "2026-02-01", ("production",)))
    assert kept(library) == ["new", "odd", "file"]
    assert receipt.requested == {"by": "before", "sources": ["production"], "value": "2026-02-01T00:00:00Z"}
    erase(library, Wanted("before", "2026-02-01"))
    assert kept(library) == ["new", "odd"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("before", "May"), "'May' is no date. Write it as 2026-03-01 or 2026-03-01T12:00:00Z."),
        (("before", "2999-01-01"), "'2999-01-01' lies in the future. Give a moment that has passed."),
        (("sample", ""), "The value of --sample is empty. Say which samples are meant."),
    ],
)
def test_wrong_wishes_are_refused(wanted, message):
    with pytest.raises(UsageError) as caught:
        Wanted(*wanted)
    assert str(caught.value) == message


def test_nothing_to_erase_changes_nothing_but_what_may_come(library, observe):
    library.add([observe("a")], "one")
    receipt = erase(library, Wanted("request-id", "nobody"))
    assert (receipt.id, receipt.files) == ("", [])
    before = contents(Path(library.url))
    assert erase(library, Wanted("request-id", "nobody")).id == ""
    assert contents(Path(library.url)) == before
    assert not (Path(library.url) / "receipts").exists()


def test_an_erasure_again_changes_nothing(library, observe, marked):
    library.add([observe("a"), marked("r1")], "one")
    erase(library, Wanted("request-id", "r1"))
    before = contents(Path(library.url))
    assert erase(library, Wanted("request-id", "r1")).files == []
    assert contents(Path(library.url)) == before


def test_events_are_kept_without_anything_of_the_sample(library, marked):
    """No pixel, no value, no name; the salt of the hashes is gone."""
    one = marked("request 4711")
    library.add([one], "one")
    receipt = erase(library, Wanted("request-id", "request 4711"))
    (path,) = (Path(library.url) / "events").iterdir()
    report = json.loads(path.read_text())
    (event,) = report["events"]
    assert report["erasure"] == receipt.id
    assert {key: event[key] for key in ("time", "source", "entries")} == {
        "time": "2026-03-01T12:00:00Z",
        "source": "production",
        "entries": 2,
    }
    assert len(event["crops"]) == len(set(event["crops"])) == 2
    assert set(event) == {"event", "time", "source", "model_sha256", "config_sha256", "entries", "crops"}
    assert holding("request 4711", Path(library.url)) == []
    assert list((Path(library.url) / "erasing").iterdir()) == []


def test_events_can_be_left_out(library, marked):
    library.add([marked("r1")], "one")
    erase(library, Wanted("request-id", "r1"), keep_events=False)
    assert not (Path(library.url) / "events").exists()


def test_the_receipt_says_what_was_done_and_stays_with_the_library(library, observe, marked):
    library.add([observe("a"), marked("r1")], "one")
    was = {path: sha for shard in library.shards() for path, sha in shard["files"].items()}
    receipt = erase(library, Wanted("request-id", "r1"))
    (shard,) = library.shards()
    files = {(file.path, file.was, file.now) for file in receipt.files}
    assert files == {(path, sha, None) for path, sha in was.items()} | {
        (path, None, sha) for path, sha in shard["files"].items()
    }
    stored = json.loads((Path(library.url) / "receipts" / f"{receipt.id}.json").read_text())
    assert stored == json.loads(receipt.to_json())
    digest = Tombstones(library.tracking).digest("r1")
    assert stored["requested"] == {
        "by": "request-id",
        "sources": stored["requested"]["sources"],
        "digest": digest,
    }
    assert stored["counts"]["events"] == {"events": 1}


def test_units_and_names_of_lost_samples_go_too(library, again, observe, marked):
    gone, stays = marked("r1"), observe("r2")
    library.add([gone, stays], "one")
    ids = {one.sample.sample: one.entries[1].id for one in (gone, stays)}
    library.assign({ids["r1"]: "contribution:1", ids["r2"]: "contribution:2"}, "a" * 32)
    library.assign({ids["r1"]: "contribution:3", ids["r2"]: "contribution:4"}, "b" * 32)
    library.report_losses("collect", {"unreadable": 2}, ["r1", "c.png"])
    receipt = erase(library, Wanted("request-id", "r1"))
    assert again(library).features() == {"contribution:4": 1, "fc1:7": 1}
    assert library.losses() == {"unreadable": 2}
    assert holding(ids["r1"], Path(library.url)) == []
    assert '"r1"' not in (Path(library.url) / "losses" / "collect.json").read_text()
    assert (receipt.counts["units"], receipt.counts["losses"]) == ({"entries": 1}, {"names": 1})


def test_unfinished_shards_go_too(library, observe, marked):
    """A shipper that was cut off leaves files without a manifest; those of others stay for it to finish."""
    library.add([observe("a")], "one")
    library.add([marked("r1")], "two")
    library.add([observe("r2")], "three")
    for name in ("two", "three"):
        (Path(library.url) / "manifests" / f"{name}.json").unlink()
    receipt = erase(Library(library.name, library.tracking_uri), Wanted("request-id", "r1"))
    assert holding(MARK, Path(library.url)) == []
    assert receipt.counts["library"]["unfinished"] == 1
    assert (Path(library.url) / "entries" / "three.parquet").exists()


def spooled(folder, *observations):
    with Spool(folder) as spool:
        assert all(spool.append(one) for one in observations)
    return sealed_segments(folder)[-1]


def names_in(segment):
    return [one.sample.sample for one in read_segment(segment)]


def test_sealed_and_quarantined_segments_are_rewritten(library, observe, marked, spool_folder, tmp_path):
    library.add([observe("x")], "one")
    mixed = spooled(spool_folder, observe("a"), marked("r1"), observe("b"))
    only = spooled(spool_folder, marked("r1"))
    other = spooled(spool_folder, observe("c"))
    untouched = other.read_bytes()
    bad = spooled(spool_folder, observe("d"), marked("r1"), marked("r1", row=1), observe("e"))
    (spool_folder / "quarantine").mkdir()
    damaged = bytearray(bad.read_bytes())
    damaged[damaged.rindex(MARK.encode())] ^= 1
    bad.unlink()
    bad = spool_folder / "quarantine" / bad.name
    bad.write_bytes(damaged)
    receipt = erase(library, Wanted("request-id", "r1"), [spool_folder])
    assert names_in(mixed) == ["a", "b"]
    assert not only.exists()
    assert other.read_bytes() == untouched
    assert names_in(bad) == ["d", "e"]
    assert holding(MARK, *places(library, tmp_path)) == []
    assert receipt.counts["spool"] == {"samples": 3, "files": 3}
    assert receipt.complete
    assert {(file.path, file.now is None) for file in receipt.files if file.place == "spool"} == {
        (str(mixed), False),
        (str(only), True),
        (str(bad), False),
    }


def test_damaged_bytes_that_may_be_anybodys_are_told(library, observe, marked, spool_folder):
    library.add([observe("x")], "one")
    segment = spooled(spool_folder, observe("a"), marked("zz"), observe("b"))
    damaged = segment.read_bytes().replace(b'"zz"', b'"z!"')
    segment.write_bytes(damaged)
    receipt = erase(library, Wanted("request-id", "zz"), [spool_folder])
    (told,) = receipt.unreached
    assert (told.place, told.mend) == (str(segment), "Delete the file where in doubt, then run this again")
    assert told.reason.endswith(" damaged bytes that nobody can read")
    assert segment.read_bytes() == damaged


def test_what_a_living_writer_holds_is_told_and_goes_next_time(library, observe, marked, spool_folder):
    library.add([observe("x")], "one")
    spool = Spool(spool_folder)
    spool.append(marked("r1"))
    receipt = erase(library, Wanted("request-id", "r1"), [spool_folder])
    (told,) = receipt.unreached
    assert told.reason == "a living writer holds it"
    assert told.mend == "It is sealed within a minute; run this again then, or stop the server first"
    spool.close()
    assert erase(library, Wanted("request-id", "r1"), [spool_folder.parent / "nodules"]).complete
    assert sealed_segments(spool_folder) == []


def test_segments_of_a_living_shipper_are_told(library, observe, marked, spool_folder):
    library.add([observe("x")], "one")
    segment = spooled(spool_folder, marked("r1"))
    with held(spool_folder) as free:
        assert free
        (told,) = erase(library, Wanted("request-id", "r1"), [spool_folder]).unreached
    assert (told.place, told.reason) == (str(segment), "a shipper holds the folder")


def test_a_spool_that_is_not_there_is_refused(library, observe, tmp_path):
    library.add([observe("x")], "one")
    with pytest.raises(UsageError, match="is no folder"):
        erase(library, Wanted("request-id", "r1"), [tmp_path / "nowhere"])


def test_what_was_erased_does_not_come_back(library, again, observe, marked):
    """Tombstones hold for copies of old segments too, by name, by place and by time."""
    library.add([observe("a"), marked("r1")], "one")
    erase(library, Wanted("request-id", "r1"))
    erase(library, Wanted("before", "2026-02-01", ("production",)))
    erase(library, Wanted("sample", "/data/p.png"))
    old = [
        marked("r1", row=3),
        observe("b"),
        observe("c", time="2026-01-01T00:00:00Z"),
        observe("d", time="2026-01-01T00:00:00Z", source="training"),
        observe("e", origin="/data/p.png"),
    ]
    spared = Tombstones(again(library).tracking).spared(old)
    assert [one.sample.sample for one in spared] == ["b", "d"]


def test_an_old_segment_that_is_shipped_again_brings_nothing_back(library, observe, marked, spool_folder):
    """With the sample as it was sent still in it, its crops not cut yet."""
    sent = Negative(MARK.encode() * 9, "r1", (0, 0, 64, 48), (16, 16), 3)
    segment = spooled(spool_folder, observe("a"), replace(marked("r1"), negative=sent), observe("b"))
    old = segment.read_bytes()
    assert ship(spool_folder, library).samples == 3
    assert not segment.exists()
    later = spooled(spool_folder, observe("c"), replace(marked("r1", row=1), negative=sent))
    assert erase(library, Wanted("request-id", "r1"), [spool_folder]).complete
    assert names_in(later) == ["c"]
    assert holding(MARK, Path(library.url), spool_folder) == []
    segment.write_bytes(old)
    shipped = ship(spool_folder, library)
    assert (shipped.samples, shipped.quarantined) == (1, 0)
    assert kept(library) == ["a", "b", "c"]
    assert holding(MARK, Path(library.url), spool_folder) == []


def test_the_rest_of_an_erased_shard_is_not_added_twice(library, again, observe, marked):
    """A shipper that was killed before it deleted its segment ships it again, without what was erased."""
    segment = [observe("a"), marked("r1"), observe("b")]
    library.add(segment, "one")
    erase(library, Wanted("request-id", "r1"))
    late = again(library)
    assert late.add(Tombstones(late.tracking).spared(segment), "one").samples == 0
    assert kept(again(library)) == ["a", "b"]


def test_only_one_process_keeps_a_library(library, observe):
    library.add([observe("a")], "one")
    with alone(library.tracking), pytest.raises(EnvironmentFault) as caught:
        erase(library, Wanted("request-id", "a"))
    assert str(caught.value) == (
        f"Library {library.name!r} is being erased from or compacted by another process. "
        "Wait until that one is done, then run this again."
    )


def _killed_at(step, name, uri, spool):
    """Erase in a process of its own and be killed before one step of all that write or delete."""
    left = [step]

    def counted(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    Tracking.put, Tracking.delete, Tracking.tag = map(counted, (Tracking.put, Tracking.delete, Tracking.tag))
    artifacts.write_whole = counted(artifacts.write_whole)
    artifacts.sync_folder = counted(artifacts.sync_folder)
    spooled_module.Path.unlink = counted(spooled_module.Path.unlink)
    spooled_module.Path.replace = counted(spooled_module.Path.replace)
    erase(Library(name, uri), Wanted("request-id", "r1"), [spool])


def _kill_everywhere(steps, prepare):
    """Cut an erasure off before each of its steps, each on fresh places; stop when it runs through."""
    for step in steps:
        library, spool, check = prepare(step)
        process = multiprocessing.get_context("fork").Process(
            target=_killed_at, args=(step, library.name, library.tracking_uri, spool)
        )
        process.start()
        process.join()
        check(process.exitcode)
        if process.exitcode == 0:
            return step
        assert process.exitcode == -signal.SIGKILL
    return None


def _prepared(tracking_uri, tmp_path, observe, marked):
    def prepare(step):
        library = Library(f"killed {step} {tmp_path.name}", tracking_uri)
        library.add([observe("a"), marked("r1"), observe("b")], "one")
        library.add([observe("c", source="training")], "two")
        library.add([marked("r1", config_sha256="d" * 64)], "three")
        units = {entry.id: "contribution:1" for entry in marked("r1").entries}
        library.assign(units, "a" * 32)
        library.report_losses("w", {"quota": 1}, ["r1"])
        spool = tmp_path / f"spool {step}"
        spooled(spool, observe("d"), marked("r1", row=1))

        def check(code):
            cut = Library(library.name, tracking_uri)
            assert {"a", "b", "c"} <= set(kept(cut)), "nothing else is ever lost"
            receipt = erase(cut, Wanted("request-id", "r1"), [spool])
            assert kept(Library(library.name, tracking_uri)) == ["a", "b", "c"]
            assert names_in(sealed_segments(spool)[0]) == ["d"]
            assert holding(MARK, Path(cut.url), spool) == []
            assert receipt.complete
            assert cut.losses() == {"quota": 1}
            events = [json.loads(p.read_text()) for p in (Path(cut.url) / "events").iterdir()]
            assert len(events) == 1
            assert len(events[0]["events"]) == 2
            assert len(list((Path(cut.url) / "receipts").iterdir())) == 1
            assert list((Path(cut.url) / "erasing").iterdir()) == []

        return library, spool, check

    return prepare


def test_an_erasure_may_be_killed_anywhere(tracking_uri, tmp_path, observe, marked):
    """At some steps here, at every one with `-m full`."""
    prepare = _prepared(tracking_uri, tmp_path, observe, marked)
    assert _kill_everywhere((7, 15, 10_000), prepare) == 10_000


@pytest.mark.full
def test_an_erasure_may_be_killed_at_every_step(tracking_uri, tmp_path, observe, marked):
    ran_through = _kill_everywhere(range(1000), _prepared(tracking_uri, tmp_path, observe, marked))
    assert ran_through is not None
    assert ran_through > 20


@pytest.mark.slow
def test_a_library_that_only_a_server_reaches_is_cleaned_too(tmp_path, observe, marked):
    """Through HTTP, with the files behind the server, and a copy of them in this machine's cache."""
    with ready_server(tmp_path / "server") as server:
        MlflowClient(server.uri).create_experiment("foveal/far", "mlflow-artifacts:/far")
        library = Library("far", server.uri)
        library.add([observe("a"), marked("r1"), observe("b")], "one")
        library.add([observe("c", source="training")], "two")
        library.entries()
        library.publish_note(patience=0)
        assert holding(MARK, tmp_path) != []
        receipt = erase(library, Wanted("request-id", "r1"))
        assert receipt.complete
        assert kept(Library("far", server.uri)) == ["a", "b", "c"]
        compact(library)
        assert verify(Library("far", server.uri)).shards == 2
        assert erase(library, Wanted("request-id", "r1")).id == ""
    assert holding(MARK, tmp_path) == []


def events_of(library):
    return Annotations(Library(library.name, library.tracking_uri).tracking)


def _annotated(library, observe):
    """Let readers name a sample that goes and one that stays, in every way they may."""
    one = observe("site_a/00031.png", source="training")
    library.add([one, observe("site_b/00007.png", source="training")], "first")
    stays = library.query(sample="site_b/00007.png").ids()
    goes = library.query(sample="site_a/00031.png").ids()
    kept = Annotations(library.tracking)
    kept.add("Ann", "A-00000001", verdict="artefact", name="marker of 00031.png", entries=(*goes, *stays))
    kept.add("Bob", "A-00000001", verdict="genuine", note="see site_a/00031.png, not site_b/00007.png")
    kept.add("Ann", "A-00000002", verdict="unsure", note="x00031.pngx says nothing")
    return kept, goes, stays


def test_what_experts_said_forgets_the_sample_and_the_chain_holds(library, observe, tmp_path):
    kept, goes, stays = _annotated(library, observe)
    before = kept.events()
    receipt = erase(library, Wanted("sample", "site_a/00031.png"))
    after = events_of(library)
    one, two, three = after.events()
    assert [event.id for event in (one, two, three)] == [event.id for event in before]
    assert three == before[2]
    assert (one.name, one.entries) == ("marker of [erased]", tuple(stays))
    assert (one.verdict, one.salt) == ("artefact", "")
    assert (two.note, two.who) == ("see [erased], not site_b/00007.png", "Bob")
    assert after.verify() == []
    assert after.heads() == [before[2].id]
    assert receipt.counts["annotations"] == {"events": 2}
    told = {(one.path, one.was, one.now) for one in receipt.files if one.path.startswith("annotations/")}
    assert {(event.path, event.id, None) for event in before[:2]} <= told
    assert holding("site_a/00031.png", *places(library, tmp_path)) == []
    assert [path for id_ in goes for path in holding(id_, Path(library.url))] == []
    again = erase(library, Wanted("sample", "site_a/00031.png"))
    assert not again.changed
    assert standings(after.events())["A-00000001"].disagreement


def test_a_request_that_only_an_annotation_still_names_is_erased_there(library, observe):
    library.add([observe("r1")], "first")
    kept = Annotations(library.tracking)
    kept.add("Ann", "fc1:7", note=f"like request {MARK}!")
    receipt = erase(library, Wanted("request-id", MARK))
    assert receipt.changed
    assert [event.note for event in events_of(library).events()] == ["like request [erased]!"]
    assert holding(MARK, Path(library.url)) == []
    assert events_of(library).verify() == []
    kept.add("Bob", "fc1:7", note=f"{MARK}, again")
    assert erase(library, Wanted("request-id", MARK)).counts["annotations"] == {"events": 1}
    assert events_of(library).verify() == []


def test_two_erasures_may_take_something_out_of_one_annotation(library, observe):
    library.add([observe("r1"), observe("r2")], "first")
    Annotations(library.tracking).add("Ann", "fc1:7", note="like r1 and r2")
    for name in ("r1", "r2"):
        erase(library, Wanted("request-id", name))
        assert events_of(library).verify() == []
    (event,) = events_of(library).events()
    assert event.note == "like [erased] and [erased]"
    library.tracking.put(event.path, event.content().replace(b"like", b"LIKE"))
    assert len(events_of(library).verify()) == 1


def test_an_old_export_does_not_bring_a_name_back(library, observe):
    kept, _, _ = _annotated(library, observe)
    export = kept.export()
    erase(library, Wanted("sample", "site_a/00031.png"))
    assert events_of(library).read_in(export) == 0
    assert holding("site_a/00031.png", Path(library.url)) == []


@pytest.mark.parametrize("at", ["before the file", "before the old one goes"])
def test_taking_names_out_of_annotations_goes_on_where_it_was_cut_off(library, observe, monkeypatch, at):
    _annotated(library, observe)
    wanted = Wanted("before", "2026-06-01", ("training",))
    cut = "foveal.library.unsaying.put_whole" if at == "before the file" else None
    with monkeypatch.context() as patch:
        if cut:
            patch.setattr(cut, _cut_off)
        else:
            patch.setattr(Tracking, "delete", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            erase(library, wanted)
    erase(library, wanted)
    assert holding("00031.png,", Path(library.url)) == []
    assert len(list((library.tracking.local("annotations")).iterdir())) == 3
    assert events_of(library).verify() == []


def _cut_off(*_):
    raise KeyboardInterrupt


_PIECES = st.sampled_from(["a", "b1", "a b", "/", ".", " ", "-", "é", "a/b1", "b1.a", "\\", "_"])


@given(st.lists(st.lists(_PIECES, min_size=1, max_size=3).map("".join), max_size=4),
       st.lists(_PIECES, max_size=8).map("".join))  # fmt: skip
def test_names_are_found_as_the_naive_way_finds_them(names, text):
    """Look for every name, longest first, wherever no letter or digit touches it."""
    wanted = {part for name in names for part in (name, re.split(r"[/\\]", name)[-1]) if part}
    naive = text
    for name in sorted(wanted, key=lambda name: (-len(name), name)):
        naive = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda _: ERASED, naive)
    assert _Names(names).taken_out_of(text) == naive
