"""The disk is full, at any byte; it cannot be written; the spool is deleted: predictions do not notice."""

from __future__ import annotations

import errno
import os
import threading
import time
from itertools import accumulate
from pathlib import Path

import pytest
from small_records import observation

from foveal import shipper as shipping
from foveal.errors import EnvironmentFault
from foveal.records import Observation
from foveal.shipper import ship
from foveal.spool import Spool, loss_counters, read_segment, sealed_segments
from foveal.spool import segments as segment_files
from foveal.spool import writer as writing
from foveal.spool.frame import encode_frame


class Full:
    """Takes so many bytes and no more."""

    def __init__(self, room):
        self.room = room

    def write(self, descriptor, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = self.real(descriptor, data[: self.room])
        self.room -= done
        return done

    real = staticmethod(os.write)


def bare(name):
    return Observation(observation(name).sample)


NAMES = ("a", "b", "c")
SIZES = [0, *accumulate(len(encode_frame(bare(name))) for name in NAMES)]


@pytest.mark.parametrize("taken_back", [True, False])
def test_a_disk_that_is_full_at_any_byte(tmp_path, monkeypatch, taken_back):
    """Where the half frame cannot even be taken back, the reader passes over it."""
    if not taken_back:

        def refuse(*_):
            raise OSError(errno.EIO, "no")

        monkeypatch.setattr(writing.os, "ftruncate", refuse)
    for room in range(SIZES[-1] + 1):
        folder = tmp_path / str(room)
        monkeypatch.setattr(writing.os, "write", Full(room).write)
        with Spool(folder) as spool:
            written = [name for name in NAMES if spool.append(bare(name))]
            assert spool.counters().get("dropped_disk_full", 0) == len(NAMES) - len(written)
        assert len(written) == sum(room >= size for size in SIZES[1:])
        readers = [read_segment(path) for path in sealed_segments(folder)]
        assert [seen.sample.sample for reader in readers for seen in reader] == written
        assert sum(reader.torn + reader.damaged for reader in readers) <= (not taken_back)
        assert sum(loss_counters(folder).values()) == len(NAMES) - len(written)


def test_a_small_disk_fills_up_and_is_emptied_by_the_shipper(small_disk, library, kept):
    folder = small_disk("size=64k") / "nodules"
    with Spool(folder, roll_bytes=9000) as spool:
        written = {str(n) for n in range(100) if spool.append(observation(str(n), size=1500))}
        assert 10 < len(written) < 50
        assert loss_counters(folder) == {"disk_full": 100 - len(written)}
        assert ship(folder, library).dropped == {"disk_full": 100 - len(written)}
        assert spool.append(observation("later"))
    ship(folder, library)
    assert kept(library) == {*written, "later"}
    assert library.losses() == {"disk_full": 100 - len(written)}


def test_a_damaged_segment_on_a_full_disk_is_kept_beside_the_others(small_disk, library, kept):
    disk = small_disk("size=64k,nr_inodes=6")
    folder = disk / "nodules"
    folder.mkdir()
    (folder / "w-0.seg").write_bytes(encode_frame(observation("a")) + b"damage")
    (folder / "w-1.seg").write_bytes(encode_frame(observation("b")))
    (folder / "shipper.lock").touch()
    (folder / "something else").touch()
    assert ship(folder, library).quarantined == 1
    assert kept(library) == {"a", "b"}
    assert (folder / "w-0.seg.quarantine").read_bytes().endswith(b"damage")
    assert ship(folder, library).segments == 0


def test_a_disk_without_room_for_another_file(small_disk):
    folder = small_disk("size=64k,nr_inodes=4") / "nodules"
    folder.mkdir()
    (folder / "one").touch()
    (folder / "two").touch()
    spool = Spool(folder)
    assert [spool.append(observation("a")), spool.append(observation("b"))] == [False, False]
    assert spool.counters() == {"dropped_disk_full": 2}
    (folder / "one").unlink()
    (folder / "two").unlink()
    assert spool.append(observation("c"))
    spool.close()
    assert loss_counters(folder) == {"disk_full": 2}


def test_a_disk_that_turns_read_only_and_back(small_disk, remount, library, kept):
    disk = small_disk("size=256k")
    folder = disk / "nodules"
    with Spool(folder) as spool:
        assert spool.append(observation("a"))
    remount(disk, "ro")
    with Spool(folder, roll_bytes=1) as spool:
        assert spool.append(observation("b")) is False
        remount(disk, "rw")
        assert spool.append(observation("c"))
        assert spool.counters()["dropped_unwritable"] == 1
    assert loss_counters(folder) == {"unwritable": 1}
    ship(folder, library)
    assert kept(library) == {"a", "c"}


@pytest.mark.parametrize("instead", ["nothing", "a file", "a folder of others"])
def test_what_was_deleted_under_the_writer_is_counted(spool_folder, spooled, instead):
    spool = Spool(spool_folder)
    assert spool.append(observation("a"))
    assert spool.append(observation("b"))
    for path in spool_folder.iterdir():
        path.unlink()
    spool_folder.rmdir()
    if instead == "a file":
        spool_folder.touch()
        assert spool.append(observation("c")) is False
        spool_folder.unlink()
    if instead == "a folder of others":
        spool_folder.mkdir()
        spool_folder.chmod(0o755)
    assert spool.append(observation("d"))
    spool.close()
    assert spooled(spool_folder) == ["d"]
    assert loss_counters(spool_folder) == {"deleted": 2, **({"unwritable": 1} if instead == "a file" else {})}


def test_what_was_deleted_and_never_written_again_is_counted_at_the_end(spool_folder):
    spool = Spool(spool_folder)
    assert spool.append(observation("a"))
    next(spool_folder.glob("*.open")).unlink()
    spool.close()
    assert loss_counters(spool_folder) == {"deleted": 1}


def test_a_spool_deleted_under_the_shipper_is_owned_anew(spool_folder, notes, monkeypatch):
    """Else a second shipper could work on the new folder beside this one."""
    monkeypatch.setattr(shipping, "_POLL_SECONDS", 0.02)
    stop = threading.Event()
    spool_folder.mkdir(parents=True)
    follower = threading.Thread(target=ship, args=(spool_folder, notes, True, stop))
    follower.start()
    for name in "ab":
        with Spool(spool_folder) as spool:
            spool.append(observation(name))
        deadline = time.monotonic() + 30
        while [name] not in notes.added.values():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(EnvironmentFault, match=f"Another shipper works on '{spool_folder}'"):
            ship(spool_folder, notes)
        (spool_folder / "shipper.lock").unlink()
    stop.set()
    follower.join(30)
    assert not follower.is_alive()


@pytest.mark.parametrize(("function", "durability"), [("flock", "process"), ("fsync", "power")])
def test_a_disk_without_locks_or_syncs_costs_no_descriptors(spool_folder, monkeypatch, function, durability):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    with Spool(spool_folder, durability=durability) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(segment_files.fcntl if function == "flock" else os, function, refuse)
            assert spool.append(observation("a")) is False
            before = len(list(Path("/proc/self/fd").iterdir()))
            assert not any(spool.append(observation("b")) for _ in range(20))
            assert len(list(Path("/proc/self/fd").iterdir())) == before
            assert not list(spool_folder.glob("*.open"))
        assert spool.append(observation("c"))
    assert loss_counters(spool_folder) == {"unwritable": 21}
