"""Annotations: only ever added, by many at once, and whatever is changed afterwards is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from ready_stores import ready_server

from foveal.errors import FovealError, UsageError
from foveal.library import Library
from foveal.library.annotations import Annotations, Event, _event, _sealed, changed, in_order
from foveal.library.artifacts import put_whole
from foveal.library.opinions import in_force, known_again, standings


@pytest.fixture
def kept(library, observe):
    library.add([observe()], "one")
    return Annotations(library.tracking)


def files(library):
    return sorted((library.tracking.local("annotations") or Path()).glob("*.json"))


def test_what_is_added_is_there_for_everybody(kept, library, again):
    said = {"verdict": "artefact", "name": "burnt-in “R”", "code": "SNOMED 1", "confidence": 0.8}
    event = kept.add("Ann", "A-00000001", **said, note="see\nline 2", entries=("e1",), second_reader="Bob")
    (read,) = Annotations(again(library).tracking).events()
    assert read == event
    assert (read.who, read.verdict, read.confidence, read.entries) == ("Ann", "artefact", 0.8, ("e1",))
    assert read.time.endswith("+00:00")
    assert (read.before, read.seen) == ("", ())


def test_events_name_what_came_before_and_what_was_seen(kept):
    one = kept.add("Ann", "fc1:7", verdict="unsure")
    two = kept.add("Bob", "fc1:8", verdict="genuine")
    three = kept.add("Ann", "fc1:7", verdict="artefact")
    assert (two.before, two.seen) == ("", (one.id,))
    assert (three.before, three.seen) == (one.id, (two.id,))
    assert kept.heads() == [three.id]


def test_two_who_write_at_once_lose_nothing(kept, library, again):
    kinds = [{}, {"kind": "assign", "second_reader": "Zoe"}, {"kind": "reopen"}, {}, {}]

    def write(number):
        mine = Annotations(again(library).tracking)
        told = {"who": f"reader {number}", "subject": "fc1:7"}
        several = [{**told, "note": str(n), **kinds[n]} for n in range(3)]
        ids = [event.id for event in mine.add_all(several)]
        return ids + [mine.add(**told, note=str(n), **kinds[n]).id for n in range(3, 5)]

    with ThreadPoolExecutor(4) as pool:
        ids = {id_ for written in pool.map(write, range(4)) for id_ in written}
    events = kept.events()
    assert {event.id for event in events} == ids
    assert len(events) == 20
    assert kept.verify() == []
    (one,) = standings(events).values()
    said = [*one.opinions, *one.earlier]
    assert sorted(event.note for event in said) == ["4"] * 4
    assert one.assigned == "Zoe"


@pytest.mark.parametrize("harm", ["flip", "cut", "swap", "rename"])
def test_an_altered_event_is_found(kept, library, harm):
    for n in range(3):
        kept.add("Ann", "fc1:7", note=str(n))
    first, second, _ = files(library)
    content = first.read_bytes()
    other = second.read_bytes()
    if harm == "flip":
        first.write_bytes(content.replace(b"Ann", b"Eve"))
    elif harm == "cut":
        first.write_bytes(content[:-5])
    elif harm == "swap":
        first.write_bytes(other)
    else:
        first.rename(first.with_name("20000101-" + "0" * 64 + ".json"))
    problems = Annotations(Library(library.name, library.tracking_uri).tracking).verify()
    assert len(problems) == 2
    assert problems[0].endswith(": altered or cut off")
    assert problems[1] == f"event {sha256(content).hexdigest()[:12]}: missing, a later one has seen it"


def test_any_flipped_byte_is_found():
    whole = _sealed(Event("", "2026-01-01T00:00:00.000000+00:00", "Ann", "fc1:7", note="x" * 20))
    for place in range(len(whole.content())):
        content = bytearray(whole.content())
        content[place] ^= 1
        read = _event(bytes(content))
        assert read is None or read.path != whole.path


def test_a_dropped_event_that_was_seen_is_found_and_a_head_is_told_by_heads(kept, library):
    for n in range(3):
        kept.add("Ann", "fc1:7", note=str(n))
    heads = kept.heads()
    files(library)[2].unlink()
    assert kept.verify() == []
    assert kept.heads() != heads
    files(library)[0].unlink()
    assert len(kept.verify()) == 1


def test_export_and_import_are_the_same_events_and_importing_twice_adds_nothing(
    kept, library, again, observe
):
    for n in range(3):
        kept.add("Ann", "fc1:7", verdict="artefact", note=f"</script>\ud800{n}")
    other = Library(f"{library.name} copy", library.tracking_uri)
    other.add([observe()], "one")
    copy = Annotations(other.tracking)
    assert copy.read_in(kept.export()) == 3
    assert copy.read_in(kept.export()) == 0
    assert copy.events() == kept.events()
    assert copy.verify() == []


def test_an_altered_export_is_refused_and_nothing_is_added(kept):
    kept.add("Ann", "fc1:7", verdict="artefact")
    export = json.loads(kept.export())
    export["events"][0]["verdict"] = "genuine"
    with pytest.raises(UsageError) as caught:
        kept.read_in(json.dumps(export))
    id_ = export["events"][0]["id"][:12]
    assert str(caught.value) == (
        f"Event {id_} of the export was altered. "
        "Give a file that `foveal library annotations NAME --export FILE` wrote."
    )
    with pytest.raises(UsageError, match=r"^These are no annotations\. Give a file that"):
        kept.read_in("{}")
    assert len(kept.events()) == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"verdict": "genuin"}, "'genuin' is no verdict. Did you mean 'genuine'."),
        ({"confidence": 1.5}, "A confidence of 1.5 is none. Give a number from 0 to 1."),
        ({"who": " "}, "An annotation without a reader's name. Say it: who says what of what."),
        ({"subject": ""}, "An annotation without a subject. Say it: who says what of what."),
        (
            {"code": "x" * 201},
            f"A text of 201 characters is too long here: {'x' * 40!r}. Shorten it to 200 characters.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused(kept, said, message):
    with pytest.raises(UsageError) as caught:
        kept.add(**{"who": "Ann", "subject": "fc1:7", **said})
    assert str(caught.value) == message
    assert kept.events() == []


def test_undoing_takes_back_and_undoing_that_brings_back(kept):
    one = kept.add("Ann", "fc1:7", verdict="artefact")
    two = kept.add("Ann", "fc1:7", verdict="genuine")
    undo = kept.add("Ann", "fc1:7", "undo", undoes=two.id)
    assert standings(kept.events())["fc1:7"].of("Ann") == one
    kept.add("Ann", "fc1:7", "undo", undoes=undo.id)
    assert standings(kept.events())["fc1:7"].of("Ann") == two
    assert len(kept.events()) == 4


def test_readers_may_disagree_and_one_who_was_asked_is_awaited(kept):
    kept.add("Ann", "fc1:7", verdict="artefact", second_reader="Bob", name="marker")
    one = standings(kept.events())["fc1:7"]
    assert (one.verdict, one.disagreement, one.awaited) == ("artefact", False, ("Bob",))
    kept.add("Bob", "fc1:7", verdict="genuine", code="RID1")
    one = standings(kept.events())["fc1:7"]
    assert (one.verdict, one.disagreement, one.awaited) == ("", True, ())
    assert (one.name, one.code, one.verdicts) == ("marker", "RID1", ("artefact", "genuine"))


def test_changed_keeps_what_was_said(kept):
    one = kept.add("Ann", "fc1:7", verdict="artefact", note="n", entries=("e",))
    two = kept.add("Ann", "fc1:7", **changed(one, verdict="unsure"))
    assert (two.verdict, two.note, two.entries) == ("unsure", "n", ("e",))


def test_a_later_audit_knows_a_facet_again_by_its_entries(kept):
    kept.add("Ann", "A-1", verdict="artefact", entries=("e1", "e2", "e3"))
    kept.add("Ann", "A-2", verdict="genuine", entries=("f1", "f2"))
    found = standings(kept.events())
    assert known_again(["f1"], ["A-2"], found).subject == "A-2"
    assert known_again(["e1", "e2", "x"], ["A-9"], found).subject == "A-1"
    assert known_again(["e1", "x"], ["A-9"], found) is None
    assert known_again([], [], {}) is None


def test_a_name_that_means_something_else_now_is_not_believed(kept):
    """Units are numbered anew where a library has grown."""
    kept.add("Ann", "A-1", verdict="artefact", entries=("e1", "e2", "e3"))
    kept.add("Ann", "A-2", verdict="genuine", entries=("f1", "f2"))
    kept.add("Ann", "A-3", verdict="unsure")
    found = standings(kept.events())
    assert known_again(["e1", "e2", "x"], ["A-2"], found).subject == "A-1"
    assert known_again(["x"], ["A-2"], found) is None
    assert known_again(["x"], ["A-3"], found).subject == "A-3"


def test_entries_that_were_erased_since_do_not_count(kept):
    kept.add("Ann", "A-1", verdict="artefact", entries=("e1", "e2", "e3", "e4"))
    found = standings(kept.events())
    assert known_again(["e1"], ["A-9"], found) is None
    assert known_again(["e1"], ["A-9"], found, held={"e1": ["e1"], "x": ["x"]}).subject == "A-1"
    assert known_again(["x"], ["A-1"], found, held={"x": ["x"]}).subject == "A-1"


def test_entries_are_known_again_under_the_ids_that_another_model_gave_them(kept):
    kept.add("Ann", "A-1", verdict="artefact", entries=("e1", "e2"))
    found = standings(kept.events())
    held = {"e1": ["f1", "f2"], "e2": []}
    assert known_again(["f2"], ["A-9"], found, held=held).subject == "A-1"
    assert known_again(["f3"], ["A-9"], found, held=held) is None


def test_a_subject_is_assigned_and_the_last_assignment_counts(kept):
    kept.add("Ann", "fc1:7", verdict="artefact", second_reader="Bob")
    kept.add("Ann", "fc1:7", "assign", second_reader="Cid")
    one = standings(kept.events())["fc1:7"]
    assert (one.assigned, one.awaited, one.verdict) == ("Cid", ("Bob", "Cid"), "artefact")
    again = kept.add("Bob", "fc1:7", "assign", second_reader="Bob")
    kept.add("Bob", "fc1:7", verdict="artefact")
    one = standings(kept.events())["fc1:7"]
    assert (one.assigned, one.awaited) == ("Bob", ())
    kept.add("Bob", "fc1:7", "undo", undoes=again.id)
    assert standings(kept.events())["fc1:7"].assigned == "Cid"
    kept.add("Ann", "fc1:7", "assign", second_reader="")
    assert standings(kept.events())["fc1:7"].awaited == ()


def test_what_is_opened_again_has_no_verdict_until_somebody_gives_one(kept):
    ann = kept.add("Ann", "fc1:7", verdict="artefact", name="marker", entries=("e1",))
    bob = kept.add("Bob", "fc1:7", verdict="artefact")
    opening = kept.add("Cid", "fc1:7", "reopen", note="a new scanner")
    one = standings(kept.events())["fc1:7"]
    assert (one.verdict, one.opinions, one.earlier) == ("", (), (ann, bob))
    assert (one.opened, one.opening, one.name, one.entries) == ("Cid", opening, "marker", {"e1"})
    assert one.of("Ann") == ann
    anew = kept.add("Ann", "fc1:7", **changed(ann, verdict="genuine"))
    one = standings(kept.events())["fc1:7"]
    assert (one.verdict, one.opinions, one.earlier, one.opened) == ("genuine", (anew,), (bob,), "")
    kept.add("Cid", "fc1:7", "undo", undoes=opening.id)
    one = standings(kept.events())["fc1:7"]
    assert (one.verdicts, one.earlier) == (("artefact", "genuine"), ())


def test_several_events_are_a_chain_of_their_own(kept):
    first = kept.add("Ann", "fc1:7", verdict="unsure")
    told = [{"who": "Ann", "subject": f"fc1:{n}", "verdict": "artefact"} for n in (7, 8, 7)]
    made = kept.add_all(told)
    assert [event.seen for event in made] == [(first.id,), (made[0].id,), (made[1].id,)]
    assert [event.before for event in made] == [first.id, "", made[0].id]
    assert kept.heads() == [made[-1].id]
    assert kept.verify() == []


def test_of_several_events_one_that_is_none_keeps_all_from_being_stored(kept):
    told = [{"who": "Ann", "subject": "fc1:7"}, {"who": "Ann", "subject": "fc1:8", "verdict": "no"}]
    with pytest.raises(UsageError, match="'no' is no verdict"):
        kept.add_all(told)
    assert kept.events() == []


def test_several_events_cut_off_leave_a_whole_chain(kept, monkeypatch):
    stored = []

    def failing(*words):
        if len(stored) == 2:
            _refusing()
        stored.append(words[1])
        put_whole(*words)

    monkeypatch.setattr("foveal.library.annotations.put_whole", failing)
    with pytest.raises(UsageError):
        kept.add_all([{"who": "Ann", "subject": f"fc1:{n}"} for n in range(5)])
    assert [event.subject for event in kept.events()] == ["fc1:0", "fc1:1"]
    assert kept.verify() == []


def test_events_of_two_who_say_the_same_do_not_give_away_what_it_is(kept):
    one, two = (kept.add("Ann", "fc1:7", note="the same") for _ in range(2))
    assert one.salt != two.salt
    assert len(one.salt) == 32


def test_a_file_of_a_version_without_salt_is_read(kept, library):
    old = _sealed(Event("", "2026-01-01T00:00:00.000000+00:00", "Ann", "fc1:7", verdict="genuine"))
    assert b"salt" not in old.content()
    library.tracking.put(old.path, old.content())
    assert kept.events() == [old]


@pytest.mark.parametrize(
    "change", [{"erased": "../../x"}, {"erased": "20260101T000000Z-01234567", "id": "../x"}]
)
def test_an_export_leads_out_of_no_folder(kept, change):
    kept.add("Ann", "fc1:7", verdict="artefact")
    export = json.loads(kept.export())
    export["events"][0] |= change
    with pytest.raises(UsageError, match="These are no annotations"):
        kept.read_in(json.dumps(export))


def test_a_change_that_no_receipt_knows_is_found(kept, library):
    event = kept.add("Ann", "fc1:7", verdict="artefact")
    kept.add("Bob", "fc1:7", verdict="genuine")
    forged = replace(event, verdict="genuine", salt="", erased="20260101T000000Z-01234567")
    library.tracking.put(forged.path, forged.content())
    library.tracking.delete(event.path)
    assert kept.verify() == [f"event {event.id[:12]}: changed, and no receipt of an erasure says so"]


@given(st.data())
def test_the_order_has_nothing_before_what_it_had_seen(data):
    events: list[Event] = []
    for n in range(data.draw(st.integers(1, 12))):
        seen = data.draw(st.sets(st.sampled_from([e.id for e in events]))) if events else set()
        hour = data.draw(st.integers(0, 9))
        events.append(Event(str(n), f"2026-01-01T0{hour}", "Ann", "s", seen=tuple(sorted(seen))))
    mixed = data.draw(st.permutations(events))
    ordered = in_order(mixed)
    place = {event.id: at for at, event in enumerate(ordered)}
    assert len(place) == len(events)
    assert all(place[id_] < place[event.id] for event in events for id_ in event.seen)
    assert ordered == in_order(events)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=8))
def test_undoing_is_as_the_naive_way_says(steps):
    events = []
    for n, (back, undoes) in enumerate(steps):
        of = str(n - 1 - back) if undoes and n - 1 - back >= 0 else None
        events.append(Event(str(n), "t", "Ann", "s", *(("undo",) if of else ()), undoes=of or ""))

    def holds(event):
        return not any(later.undoes == event.id and holds(later) for later in events)

    assert in_force(events) == [event for event in events if event.kind == "annotate" and holds(event)]


_WRITER = """
import sys
from foveal.library import Library
from foveal.library.annotations import Annotations
kept = Annotations(Library(sys.argv[1], sys.argv[2]).tracking)
kinds = ({"kind": "assign", "second_reader": "Bob"}, {"kind": "reopen"}, {"verdict": "artefact"})
n = 0
while True:
    print(kept.add("Ann", "fc1:7", note=f"{n} " + "x" * 5000).id, flush=True)
    told = [{"who": "Ann", "subject": f"fc1:{n}", "note": "x" * 5000, **kind} for kind in kinds]
    print(*(event.id for event in kept.add_all(told)), flush=True)
    n += 1
"""


def _write(library, folder):
    command = [sys.executable, "-c", _WRITER, library.name, library.tracking_uri]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)


def _some(writer, number=8):
    """Wait for so many acknowledgements."""
    return [writer.stdout.readline().strip() for _ in range(number)]


def _rest(writer):
    """Kill the writer and give what it had said till then."""
    writer.send_signal(signal.SIGKILL)
    return writer.communicate()[0].split()


@pytest.mark.slow
def test_a_writer_killed_in_mid_write_loses_nothing_acknowledged(kept, library, tmp_path):
    writer = _write(library, tmp_path)
    whole = [*" ".join(_some(writer)).split(), *_rest(writer)]
    assert all(whole)
    assert set(whole) <= {event.id for event in kept.events()}
    assert kept.verify() == []


@pytest.mark.full
def test_a_tracking_server_killed_in_mid_write_loses_nothing_acknowledged(tmp_path, observe):
    with ready_server(tmp_path / "server") as server:
        MlflowClient(server.uri).create_experiment("foveal/killed", "mlflow-artifacts:/killed")
        library = Library("killed", server.uri)
        library.add([observe()], "one")
        assert library.tracking.local("annotations") is None
        writer = _write(library, tmp_path)
        whole = " ".join(_some(writer)).split()
        os.killpg(server._group.pid, signal.SIGKILL)
        whole += _rest(writer)
    assert all(whole)
    with ready_server(tmp_path / "server") as server:
        kept = Annotations(Library("killed", server.uri).tracking)
        assert set(whole) <= {event.id for event in kept.events()}
        kept.add("Bob", "fc1:7")
        assert all("missing" not in problem for problem in kept.verify())


def test_a_store_that_refuses_acknowledges_nothing(kept, library, monkeypatch):
    monkeypatch.setattr("foveal.library.annotations.put_whole", _refusing)
    with pytest.raises(FovealError):
        kept.add("Ann", "fc1:7")
    assert kept.events() == []


def _refusing(*_):
    raise UsageError("no", "no")
