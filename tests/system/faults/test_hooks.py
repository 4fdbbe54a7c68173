"""Every part of auditing raises or hangs: the same answers as without auditing; then all goes on."""

from __future__ import annotations

import errno
import io
import os
import threading
import time

import numpy as np
import pytest
from PIL import Image
from served_model import Row, Worker, unpack_model

from foveal.observer import Observer
from foveal.spool import loss_counters
from foveal.spool import segments as segment_files
from foveal.spool import writer as writing
from foveal_handlers.vision import VisionHandler


def image(seed):
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return bytearray(out.getvalue())


ROWS = [Row({"body": image(seed)}, {}, f"id {seed}") for seed in range(6)]

#: Where something may go wrong: an object, and its function.
PLACES = {
    "forward": (Observer, "forward"),
    "record": (Observer, "record"),
    "encode": (writing, "encode_frame"),
    "append": (writing.Spool, "append"),
    "write": (os, "write"),
    "open": (os, "open"),
    "stat": (os, "fstat"),
    "rename": (os, "rename"),
    "scan": (os, "scandir"),
    "lock": (segment_files.fcntl, "flock"),
    "thread": (threading.Thread, "start"),
}
FAULTS = {
    "no room": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "no locks": lambda: OSError(errno.ENOLCK, "No locks available"),
    "no memory": MemoryError,
    "no thread": lambda: RuntimeError("can't start new thread"),
    "nonsense": lambda: KeyError("?"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return unpack_model(tmp_path_factory.mktemp("model") / "small", config={"foveal": {"budget": 60_000}})


@pytest.fixture(scope="module")
def expected(folder):
    """What is answered where nothing is observed."""
    bare = Worker(VisionHandler, folder)
    assert bare.handler.auditor is None
    return [bare(row) for row in ROWS]


@pytest.fixture
def worker(folder, expected, tmp_path, monkeypatch):
    """A worker that observes, ended after the test."""
    started = []

    def start():
        monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        started.append(Worker(VisionHandler, folder))
        return started[-1]

    yield start
    for each in started:
        each.handler.auditor.close()


def raising(fault):
    def fail(*_, **__):
        raise fault

    return fail


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_is_raised_wherever_answers_stay_the_same(worker, expected, monkeypatch, place, fault):
    serving = worker()
    assert serving(ROWS[0]) == expected[0]
    with monkeypatch.context() as patch:
        patch.setattr(*PLACES[place], raising(FAULTS[fault]()))
        assert [serving(row) for row in ROWS] == expected
    for _ in range(200):
        assert [serving(row) for row in ROWS] == expected
        if serving.record():
            break
    assert serving.record() == ROWS[-1].request_id


@pytest.mark.parametrize("fault", ["no room", "no memory", "nonsense"])
@pytest.mark.parametrize("place", ["forward", "record", "open", "lock", "scan", "thread"])
def test_a_worker_starts_whatever_is_raised(worker, expected, monkeypatch, place, fault):
    with monkeypatch.context() as patch:
        real = getattr(*PLACES[place])
        ours = raising(FAULTS[fault]())

        def fail(*args, **kwargs):
            within = "spool" in str(args[:1]) or place not in {"open", "scan"}
            return ours() if within else real(*args, **kwargs)

        patch.setattr(*PLACES[place], fail)
        serving = worker()
        assert [serving(row) for row in ROWS] == expected


def test_a_disk_that_takes_its_time_slows_ever_fewer_requests_down(
    tmp_path, folder, expected, worker, monkeypatch
):
    """A hang of every write: within the budget's first windows the breaker lets most requests pass by."""
    serving = worker()
    recorder = serving.handler.auditor._recorder
    recorder._breaker._limit = 0.005
    real = os.write

    def slow(*args):
        time.sleep(0.02)
        return real(*args)

    monkeypatch.setattr(os, "write", slow)
    recorded = 0
    for number in range(240):
        assert serving(ROWS[number % 6]) == expected[number % 6]
        recorded += serving.record() is not None
    assert 32 <= recorded < 120
    assert loss_counters(tmp_path / "spool" / "small") == {"over_budget": 240 - recorded}
