"""Appending: what is acknowledged, what is dropped and counted, when a segment is sealed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from foveal.errors import UsageError
from foveal.spool import Spool, loss_counters, read_segment, seal_abandoned, sealed_segments
from foveal.spool import writer as writing


def names(folder, suffix=".seg"):
    segments = sorted(folder.glob(f"*{suffix}"))
    return [observation.sample.sample for path in segments for observation in read_segment(path)]


def refuse(monkeypatch, function, code, after=0):
    """Let a call of ``os`` fail with an error code once it has been called some times."""
    real, calls = getattr(os, function), []

    def failing(*args):
        calls.append(args)
        if len(calls) > after:
            raise OSError(code, os.strerror(code))
        return real(*args)

    monkeypatch.setattr(writing.os, function, failing)


def test_what_was_appended_can_be_read_back_in_order(spool_folder, observe, alike):
    observations = [observe(f"{n}.png") for n in range(5)]
    with Spool(spool_folder) as spool:
        assert all(spool.append(o) for o in observations)
    (segment,) = sealed_segments(spool_folder)
    assert all(alike(one, other) for one, other in zip(read_segment(segment), observations, strict=True))


def test_an_append_is_with_the_kernel_before_it_returns(spool_folder, observe):
    spool = Spool(spool_folder)
    spool.append(observe("a"))
    assert names(spool_folder, ".open") == ["a"]
    spool.close()


def test_nothing_is_left_of_a_spool_that_was_never_used(spool_folder):
    Spool(spool_folder).close()
    assert not spool_folder.exists()


def test_a_closed_spool_leaves_sealed_segments_and_nothing_else(spool_folder, observe):
    with Spool(spool_folder) as spool:
        spool.append(observe())
    assert [path.suffix for path in spool_folder.iterdir()] == [".seg"]


def test_appending_after_closing_is_counted(spool_folder, observe):
    spool = Spool(spool_folder)
    spool.close()
    assert spool.append(observe()) is False
    assert spool.counters() == {"dropped_closed": 1}


def test_a_segment_is_sealed_when_it_is_large(spool_folder, observe):
    with Spool(spool_folder, roll_bytes=1) as spool:
        for name in "abc":
            spool.append(observe(name))
        assert len(sealed_segments(spool_folder)) == 3
    assert names(spool_folder) == ["a", "b", "c"]


def test_a_quiet_worker_seals_its_segment_by_age(spool_folder, observe):
    spool = Spool(spool_folder, roll_seconds=0.05)
    spool.append(observe("a"))
    deadline = time.monotonic() + 30
    while not sealed_segments(spool_folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert names(spool_folder) == ["a"]
    assert spool.append(observe("b"))
    spool.close()
    assert names(spool_folder) == ["a", "b"]


def test_an_unknown_durability_is_refused(spool_folder):
    with pytest.raises(UsageError) as caught:
        Spool(spool_folder, durability="powr")
    assert str(caught.value) == "Unknown spool durability 'powr'. Did you mean 'power'."


def test_durability_power_waits_for_the_disk_before_it_acknowledges(spool_folder, observe, monkeypatch):
    calls = []
    real = os.fdatasync
    monkeypatch.setattr(
        writing.os, "fdatasync", lambda descriptor: (calls.append(descriptor), real(descriptor))
    )
    with Spool(spool_folder, durability="power") as spool:
        spool.append(observe("a"))
        spool.append(observe("b"))
    assert len(calls) == 2
    calls.clear()
    with Spool(spool_folder) as spool:
        spool.append(observe("c"))
    assert calls == []


def test_the_quota_drops_and_counts_and_lets_go_when_segments_are_shipped(spool_folder, observe, monkeypatch):
    monkeypatch.setattr(writing, "_RESCAN_SECONDS", 0.0)
    with Spool(spool_folder, roll_bytes=1) as probe:
        probe.append(observe("a"))
        size = probe.counters()["bytes"]
    with Spool(spool_folder, max_bytes=2 * size, roll_bytes=1) as spool:
        assert [spool.append(observe(name)) for name in "bcd"] == [True, False, False]
        assert spool.counters() == {"appended": 1, "bytes": size, "dropped_quota": 2}
        assert loss_counters(spool_folder) == {"quota": 2}
        sealed_segments(spool_folder)[0].unlink()
        assert spool.append(observe("e"))
    assert loss_counters(spool_folder) == {"quota": 2}


def test_quarantined_segments_count_towards_the_quota(spool_folder, observe):
    (spool_folder / "quarantine").mkdir(parents=True)
    (spool_folder / "quarantine" / "x.seg").write_bytes(b"\0" * 1000)
    with Spool(spool_folder, max_bytes=1000) as spool:
        assert spool.append(observe()) is False


def test_drops_are_on_record_even_when_the_folder_was_full_from_the_start(spool_folder, observe):
    spool_folder.mkdir(parents=True)
    (spool_folder / "old.seg").write_bytes(b"\0" * 1000)
    spool = Spool(spool_folder, max_bytes=1000)
    spool.append(observe())
    (losses,) = spool_folder.glob("*.losses")
    assert json.loads(losses.read_bytes()) == {"quota": 1}
    spool.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "unwritable"),
        (errno.EIO, "unwritable"),
    ],
)
def test_a_failing_disk_drops_and_counts_by_reason(spool_folder, observe, monkeypatch, code, reason):
    spool = Spool(spool_folder)
    assert spool.append(observe("a"))
    with monkeypatch.context() as patch:
        refuse(patch, "write", code)
        assert spool.append(observe("b")) is False
    assert spool.append(observe("c"))
    spool.close()
    assert names(spool_folder) == ["a", "c"]
    assert spool.counters()[f"dropped_{reason}"] == 1
    assert loss_counters(spool_folder) == {reason: 1}


def test_half_a_frame_on_a_full_disk_is_taken_back(spool_folder, observe, monkeypatch):
    """A nearly full disk takes the first bytes of a write and then refuses."""
    spool = Spool(spool_folder)
    spool.append(observe("a"))
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(writing.os, "write", lambda descriptor, data: real(descriptor, data[:10]))
        refuse(patch, "write", errno.ENOSPC, after=1)
        assert spool.append(observe("b")) is False
    spool.close()
    (segment,) = sealed_segments(spool_folder)
    reader = read_segment(segment)
    assert [o.sample.sample for o in reader] == ["a"]
    assert (reader.torn, reader.damaged) == (0, 0)


def test_a_sync_that_fails_acknowledges_nothing(spool_folder, observe, monkeypatch):
    spool = Spool(spool_folder, durability="power")
    with monkeypatch.context() as patch:
        refuse(patch, "fdatasync", errno.EIO)
        assert spool.append(observe("a")) is False
    spool.close()
    assert names(spool_folder) == []


def test_the_limit_on_file_sizes_is_a_full_disk_too(tmp_path):
    """The real thing instead of a stand-in: the kernel refuses the bytes (EFBIG)."""
    program = f"""
import resource, signal, sys
sys.path[:0] = {sys.path!r}
from foveal.records import Observation, SampleRecord
from foveal.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
def record(n):
    scores = (0.0,) * 200
    return Observation(SampleRecord(f"r{{n}}", 0, "production", "t", 0, scores, {{}}, "m", "c", "s", (1,)))
spool = Spool(sys.argv[1])
print([spool.append(record(n)) for n in range(4)], spool.counters())
spool.close()
"""
    command = [sys.executable, "-c", program, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[True, False, True, False]")
    assert "'dropped_disk_full': 2" in done.stdout
    assert names(tmp_path) == ["r0", "r2"]


@pytest.mark.parametrize("obstacle", ["file", "file_above"])
def test_a_folder_that_cannot_be_made_drops_and_counts(tmp_path, observe, obstacle):
    (tmp_path / "spool").write_text("in the way")
    folder = tmp_path / "spool" if obstacle == "file" else tmp_path / "spool" / "nodules"
    spool = Spool(folder)
    assert [spool.append(observe()), spool.append(observe())] == [False, False]
    assert spool.counters() == {"dropped_unwritable": 2}
    spool.close()


def test_a_folder_that_is_deleted_under_a_writer_is_made_again(spool_folder, observe):
    with Spool(spool_folder) as spool:
        spool.append(observe("a"))
        for path in spool_folder.iterdir():
            path.unlink()
        spool_folder.rmdir()
        assert spool.append(observe("b"))
    assert names(spool_folder) == ["b"]


def test_a_record_that_cannot_be_written_is_dropped_and_counted(spool_folder, observe):
    with Spool(spool_folder) as spool:
        assert spool.append(observe(metadata={"site": object()})) is False
        assert spool.append(observe("a"))
        assert spool.counters()["dropped_unencodable"] == 1
    assert names(spool_folder) == ["a"]


def test_the_first_drop_of_a_kind_is_logged_and_no_other(spool_folder, observe, caplog):
    spool = Spool(spool_folder, max_bytes=0)
    for _ in range(5):
        spool.append(observe())
    spool.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"observations for {spool_folder} are being dropped: quota"
    ]


def test_threads_share_a_spool(spool_folder, observe):
    spool = Spool(spool_folder, roll_bytes=3000)

    def work(worker):
        for n in range(20):
            assert spool.append(observe(f"{worker}-{n}"))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert sorted(names(spool_folder)) == sorted(f"{worker}-{n}" for worker in range(4) for n in range(20))


def test_two_writers_at_once_have_separate_segments(spool_folder, observe):
    with Spool(spool_folder) as one, Spool(spool_folder) as other:
        one.append(observe("a"))
        other.append(observe("b"))
        assert len(list(spool_folder.glob("*.open"))) == 2
        assert seal_abandoned(spool_folder) == []
    assert sorted(names(spool_folder)) == ["a", "b"]


def test_a_forked_child_writes_a_segment_of_its_own(spool_folder, observe):
    spool = Spool(spool_folder)
    spool.append(observe("parent"))
    child = os.fork()
    if child == 0:
        written = spool.append(observe("child"))
        spool.close()
        os._exit(0 if written else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert spool.append(observe("parent again"))
    spool.close()
    assert sorted(names(spool_folder)) == ["child", "parent", "parent again"]


def test_a_segment_sealed_before_it_is_locked_is_left_to_the_shipper(spool_folder, observe, monkeypatch):
    """The shipper may meet a segment in the instant between its creation and its lock."""
    real, sealed = writing.try_lock, []

    def late(descriptor):
        if not sealed:
            sealed.extend(seal_abandoned(spool_folder))
        return real(descriptor)

    monkeypatch.setattr(writing, "try_lock", late)
    with Spool(spool_folder) as spool:
        assert spool.append(observe("a"))
    assert len(sealed) == 1
    assert names(spool_folder) == ["a"]
    assert sealed[0].read_bytes() == b""
