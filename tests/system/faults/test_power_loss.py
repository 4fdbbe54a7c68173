"""The power fails between any two operations: with durability `power` nothing acknowledged is lost."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from power_loss import Recorder, crashes
from small_records import observation

from foveal.spool import Spool, read_segment, seal_abandoned, sealed_segments

#: Disks are laid out by the hundred, in memory where there is such a folder.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def session(recorder, folder, durability, monkeypatch):
    """Write into a folder that is not there yet, over several segments, with a disk that is full once."""
    real = os.write
    with Spool(folder, durability=durability, roll_bytes=2500) as spool:
        for number in range(7):
            if number == 4:
                refuse_once(monkeypatch, real)
            if spool.append(observation(str(number))):
                recorder.promise(str(number))
    return recorder.operations


def refuse_once(monkeypatch, real):
    calls = []
    noting = os.write

    def write(file, data):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return noting(file, data[:100] if len(calls) == 1 else data)

    monkeypatch.setattr(os, "write", write)


def recovered(folder, state):
    """Lay a crashed disk out and start up on it, as a shipper does."""
    folders, files = state
    for path in sorted(folders):
        (folder / path.relative_to("/")).mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path.relative_to("/")).write_bytes(content)
    models = [path.parent for path in folder.rglob("*.open")] + [
        path.parent for path in folder.rglob("*.seg")
    ]
    for model in set(models):
        seal_abandoned(model)
    return {
        seen.sample.sample
        for model in set(models)
        for segment in sealed_segments(model)
        for seen in read_segment(segment)
    }


def lost(tmp_path, monkeypatch, durability):
    """Count crashes, and those that lost something acknowledged."""
    root = tmp_path / "disk"
    root.mkdir()
    recorder = Recorder(root)
    with recorder.recording(monkeypatch):
        operations = session(recorder, root / "state" / "spool" / "nodules", durability, monkeypatch)
    assert sum(operation.what == "promise" for operation in operations) == 6
    states = fatal = 0
    for stop in range(len(operations) + 1):
        promised = {operation.at for operation in operations[:stop] if operation.what == "promise"}
        for state in crashes(operations[:stop], root, seeds=range(6 * stop, 6 * stop + 6)):
            with tempfile.TemporaryDirectory(dir=MEMORY) as after:
                found = recovered(Path(after), state)
            states += 1
            fatal += not promised <= found
    return states, fatal


def test_nothing_acknowledged_is_lost(tmp_path, monkeypatch):
    states, fatal = lost(tmp_path, monkeypatch, "power")
    assert states > 300
    assert fatal == 0


def test_this_test_would_notice(tmp_path, monkeypatch):
    """Without waiting for the disk most crashes cost something: `process` promises no more."""
    states, fatal = lost(tmp_path, monkeypatch, "process")
    assert fatal > states / 10


@pytest.mark.parametrize("forgotten", ["fsync", "fdatasync"])
def test_each_sync_is_needed(tmp_path, monkeypatch, forgotten):
    monkeypatch.setattr(os, forgotten, lambda _: None)
    real = Recorder._notes
    monkeypatch.setattr(Recorder, "_notes", lambda self: {**real(self), forgotten: lambda *_: None})
    _, fatal = lost(tmp_path, monkeypatch, "power")
    assert fatal > 0
