from __future__ import annotations

import os
import time

import pytest

from foveal import shipper
from foveal.monitoring import state
from foveal.monitoring.state import LossLedger, spool_state
from foveal.spool import Spool
from foveal.spool.segments import directory_bytes


@pytest.fixture
def spool(tmp_path):
    """A spool with one model's folder; files get the age they are given."""

    def put(name, size=10, age=0.0, model="m"):
        path = tmp_path / model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    put.root = tmp_path
    return put


def test_waiting_segments_and_their_ages(spool):
    spool("a.open", age=90)
    spool("b.seg", size=20, age=30)
    spool("c.seg", size=40, age=50)
    spool("d.done", size=80, age=500)
    (spool.root / "m" / "quarantine").mkdir()
    spool("quarantine/e.seg", size=160, age=900)
    spool("f.seg.quarantine", size=320, age=900)
    spool("g.losses.quarantine", size=640, age=900)
    (one,) = spool_state(spool.root)
    assert (one.model, one.bytes, one.open, one.sealed, one.quarantined) == ("m", 1270, 1, 2, 2)
    assert one.bytes == directory_bytes(one.folder)
    assert one.oldest_seconds == pytest.approx(90, abs=5)
    assert one.lag_seconds == pytest.approx(50, abs=5)


def test_several_models_and_other_folders(spool):
    for model in ("b", "a"):
        spool("x.seg", model=model)
    spool("notes.txt", model="other")
    (spool.root / "lost+found").mkdir()
    assert [each.model for each in spool_state(spool.root)] == ["a", "b"]
    assert [each.model for each in spool_state(spool.root / "a")] == ["a"]


def test_nothing_waits(spool):
    spool("shipper.lock")
    (one,) = spool_state(spool.root)
    assert (one.bytes, one.oldest_seconds, one.lag_seconds) == (0, 0, 0)


def test_what_is_no_plain_file_is_passed_over(spool):
    spool("a.seg")
    os.mkfifo(spool.root / "m" / "b.losses")
    (spool.root / "m" / "c.seg").symlink_to("/etc/passwd")
    (one,) = spool_state(spool.root)
    assert (one.sealed, one.bytes, one.losses) == (1, 10, {})


def test_no_folder_at_all(tmp_path):
    assert spool_state(tmp_path / "none") == []


def test_a_clock_that_was_set_back(spool):
    spool("a.seg", age=-3600)
    assert spool_state(spool.root)[0].lag_seconds == 0


def test_the_lock_has_the_name_that_the_shipper_gives_it():
    assert state.LOCK == shipper._LOCK


def test_what_real_writers_leave(tmp_path, observe):
    with Spool(tmp_path / "m") as writer:
        writer.append(observe("a"))
        (one,) = spool_state(tmp_path)
        assert (one.open, one.sealed) == (1, 0)
    (one,) = spool_state(tmp_path)
    assert (one.open, one.sealed, one.losses) == (0, 1, {})
    with Spool(tmp_path / "m", max_bytes=1) as writer:
        writer.append(observe("b"))
        writer.append(observe("c"))
    assert list(spool_state(tmp_path)[0].losses.values()) == [{"quota": 2}]


def test_the_sum_of_losses_never_shrinks(spool):
    ledger = LossLedger()
    one, two = spool("a.losses"), spool("b.losses", model="n")
    one.write_text('{"quota": 3}')
    two.write_text('{"quota": 1, "disk_full": 2}')
    everything = {("m", "quota"): 3, ("n", "quota"): 1, ("n", "disk_full"): 2}
    assert ledger.totals(spool_state(spool.root)) == everything
    one.unlink()
    two.write_text("half a JSON {")
    assert ledger.totals(spool_state(spool.root)) == everything
    two.write_text('{"quota": 5, "disk_full": 2}')
    assert ledger.totals(spool_state(spool.root)) == everything | {("n", "quota"): 5}
