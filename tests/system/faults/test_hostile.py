"""Requests that mean no good: the same answers with auditing as without, and no trace where none belongs.

`serve(row)` is all that is asked of a handler, so that another one can be put through the same requests.
"""

from __future__ import annotations

import copy
import logging
import os
import resource
import sys
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest
from hostile_requests import SECRET, draw
from served_model import LoadedWorker, Row, Worker, small_picture, unpack_model, unpack_users_model

from foveal.shipper import ship
from foveal.spool import loss_counters, read_segment
from foveal_handlers.vision import VisionHandler

#: A busy machine is no reason here to leave requests out.
UNHURRIED = {"budget": 60_000}
KEEP = {"keep": {"metadata": ["site", "label"], "headers": ["x-trace", "Authorization"]}}

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link"}
_WRITING = os.O_WRONLY | os.O_RDWR
_watched = []
#: Threads that were there before the handler: what they write is none of its doing.
_foreign = set()


def _watch(event, arguments):
    """Note every path that the handler opens for writing, makes, renames or removes."""
    changes = event in _CHANGES or (event == "open" and (arguments[2] or 0) & _WRITING)
    if _watched and changes and threading.current_thread() not in _foreign:
        _watched[-1].extend(path for path in arguments[:2] if isinstance(path, (str, bytes, Path)))


sys.addaudithook(_watch)


class Watch:
    """Collects the paths that are written while it lasts."""

    def __enter__(self):
        self.paths = []
        _watched.append(self.paths)
        return self

    def __exit__(self, *_):
        _watched.remove(self.paths)

    def inside(self, root):
        return [path for path in self.paths if os.fsdecode(path).startswith(str(root))]

    def outside(self, root):
        found = {os.path.realpath(os.fsdecode(path)) for path in self.paths if os.fsdecode(path)[:1] == "/"}
        return {
            path
            for path in found
            if not path.startswith(f"{root.resolve()}/") and path != str(root.resolve())
        }


def vision(folder, _audited):
    """The handler of our own archives; returns how to serve a row, and how to end."""
    worker = Worker(VisionHandler, unpack_model(folder, config={"foveal": KEEP | UNHURRIED}))

    def end():
        if worker.handler.auditor is not None:
            worker.handler.auditor.close()

    return worker, end


def wrapped(folder, audited):
    """An ordinary handler, bare and wrapped; the first request is what the layers are chosen by."""
    config = {"foveal": KEEP | UNHURRIED} if audited else None
    worker = LoadedWorker(unpack_users_model(folder, config))
    if not audited:
        return worker, lambda: None
    assert worker(Row({"body": bytearray(small_picture())})).status == 200
    worker.watch.attachment.starting.join()
    return worker, worker.watch.close


#: How to make a worker, which statuses it answers, and what it counts as not observed.
HANDLERS = {
    "vision": (vision, {200, 400, 501}, {}),
    "wrapped": (wrapped, {200, 501, 503}, {"starting": 1}),
}


@pytest.fixture(params=HANDLERS)
def pair(request, tmp_path, monkeypatch):
    """The same handler without a spool and with one; how the latter ends, and what is expected of both."""
    others = set(threading.enumerate()) - {threading.current_thread()}
    monkeypatch.setattr(sys.modules[__name__], "_foreign", others)
    make, statuses, losses = HANDLERS[request.param]
    monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
    bare, end_bare = make(tmp_path / "bare", False)
    monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
    audited, end_audited = make(tmp_path / "audited", True)
    yield bare, audited, end_audited, statuses, losses
    end_bare()
    end_audited()  # once more, where the test did not get that far


class Memory:
    """What this process holds at the quarters of a run, and the most that it ever had; in MiB."""

    def __init__(self, rows):
        self.quarter, self.seen = max(1, len(rows) // 4), []
        self.process = psutil.Process()

    def look(self, number):
        if number % self.quarter == 0:
            self.seen.append(round(self.process.memory_info().rss / 2**20))

    @property
    def peak(self):
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    def __str__(self):
        return f"{self.seen} (peak {self.peak})"


def asked(worker, row):
    return worker(Row(copy.deepcopy(row.content), dict(row.headers), row.request_id))


def answered(worker, rows):
    """Have all rows answered; gives the answers, the keys of the records, and the memory it took."""
    answers, records, memory = [], set(), Memory(rows)
    memory.look(0)
    for number, row in enumerate(rows, 1):
        answers.append(asked(worker, row))
        if worker.record():
            records.add(worker.record())
        memory.look(number)
    return answers, records, memory


def check(pair, tmp_path, library, count):
    bare, audited, end, statuses, losses = pair
    rows = list(draw("hostile", count))
    expected, none, before = answered(bare, rows)
    before, highest = str(before), before.peak
    with Watch() as watch:
        answers, records, memory = answered(audited, rows)
        end()
    differing = [one for one in zip(rows, answers, expected, strict=True) if one[1] != one[2]]
    assert not differing, differing[0]
    told = Counter(answer.status for answer in expected)
    logging.getLogger(__name__).warning(
        "%s answered, %d recorded, MiB at the quarters %s bare, %s audited",
        *(dict(told), len(records), before, memory),
    )
    assert set(told) <= statuses
    assert min(told[200], count - told[200]) > count / 8
    assert not none
    assert memory.peak < highest + 150
    if count >= 10_000:  # what is learnt and cached is so by then
        assert memory.seen[4] < memory.seen[2] + 20
    assert watch.inside(tmp_path / "spool")
    assert watch.outside(tmp_path / "spool") == set()
    folder = tmp_path / "spool" / "small"
    files = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {folder}
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    seen = {one.sample.sample for path in files if path.suffix == ".seg" for one in read_segment(path)}
    assert records == seen
    assert len(records) > count / 8
    assert loss_counters(folder) == losses
    with Watch() as watch:
        shipped = ship(folder, library)
    assert shipped.quarantined == 0
    assert len(set(library.samples(columns=["sample"])["sample"].to_pylist())) == len(records)
    kept = {key for row in library.samples()["metadata"].to_pylist() for key, _ in row}
    assert kept <= {"site", "label", "x-trace", "traceparent"}


def test_hostile_requests(pair, tmp_path, library):
    check(pair, tmp_path, library, 500)


@pytest.mark.full
def test_ten_thousand_hostile_requests(pair, tmp_path, library):
    check(pair, tmp_path, library, 10_000)


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "..", "a/b\0c", "\ud800"])
def test_a_models_name_does_not_lead_out_of_the_spool(tmp_path, monkeypatch, name):
    monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
    folder = unpack_model(tmp_path / "model")
    worker = Worker(VisionHandler, folder)
    worker.handler.auditor.close()
    worker.context.manifest["model"]["modelName"] = name
    with Watch() as watch:
        worker.handler.initialize(worker.context)
        (row,) = [row for row in draw("hostile", 60) if worker(row).status == 200][:1]
        worker(row)
        worker.handler.auditor.close()
    assert worker.record()
    assert watch.outside(tmp_path / "spool") == set()
    assert len([path for path in (tmp_path / "spool").iterdir() if list(path.glob("*.seg"))]) == 1
