from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest

from foveal.doctor import spool as checks
from foveal.doctor.locks import lock_holder
from foveal.spool.segments import try_lock

CHECKS = ("spool-folder", "disk", "quota", "shipper", "quarantine", "losses")


@pytest.fixture
def spool(tmp_path):
    """A spool with one model's folder in which segments are put."""
    tmp_path.chmod(0o700)
    (tmp_path / "m").mkdir()

    def put(name, size=10, age=0.0):
        path = tmp_path / "m" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        os.utime(path, (time.time() - age,) * 2)
        return path

    put.root = tmp_path
    return put


@pytest.fixture
def disk(monkeypatch):
    """Pretend that the disk takes so much more."""

    def pretend(free, files=10**6):
        stats = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=10**6, f_favail=files)
        monkeypatch.setattr(checks.os, "statvfs", lambda _: stats)

    return pretend


def test_a_spool_that_is_well(verdicts, spool, disk):
    disk(10**10)
    spool("a.open")
    spool("shipper.lock")
    assert {status for status, *_ in verdicts(*CHECKS, spool=spool.root)} == {"ok"}


def test_an_empty_one_and_none(verdicts, tmp_path):
    assert [status for status, *_ in verdicts("quota", "shipper", spool=tmp_path)] == ["skipped"] * 2
    assert set(verdicts(*CHECKS)) == {("skipped", "No spool is given", "foveal doctor --spool DIR")}


def test_folders_that_cannot_be_worked_in(verdicts, spool, monkeypatch):
    missing = spool.root / "it's none"
    assert verdicts("spool-folder", spool=missing) == [
        ("failure", f"There is no folder {missing}", f"install -d -m 700 '{spool.root}/it'\"'\"'s none'")
    ]
    spool.root.chmod(0o777)
    assert verdicts("spool-folder", spool=spool.root) == [
        ("failure", f"Everybody can write to {spool.root}", f"chmod o-w {spool.root}")
    ]
    spool("a.seg")
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert verdicts("spool-folder", spool=spool.root) == [
        ("failure", f"This user cannot work in {spool.root}", f"sudo chown -R $USER {spool.root}"),
        (
            "failure",
            "1 segments of m cannot be read by this user",
            f"sudo -u '#{os.getuid()}' foveal ship {spool.root} --follow",
        ),
    ]


@pytest.mark.parametrize(
    ("free", "files", "status", "what"),
    [
        (10**8, 10**6, "failure", "The disk takes 100 MB and 1000000 files more"),
        (10**10, 10, "failure", "The disk takes 10.0 GB and 10 files more"),
        (10**9, 10**6, "warning", "The disk takes 1.0 GB more, less than the quota allows"),
        (10**10, 10**6, "ok", "The disk takes 10.0 GB more"),
    ],
)
def test_disks(verdicts, spool, disk, free, files, status, what):
    disk(free, files)
    paste = "" if status == "ok" else f"df -h {spool.root}"
    assert verdicts("disk", spool=spool.root) == [(status, what, paste)]


@pytest.mark.parametrize(("size", "status"), [(49, "ok"), (50, "warning"), (89, "warning"), (90, "failure")])
def test_quotas(verdicts, spool, size, status):
    spool("a.seg", size=size)
    ((found, what, paste),) = verdicts("quota", spool=spool.root, max_bytes=100)
    assert (found, what) == (status, f"m fills {size}% of its 0 MB")
    assert paste == ("" if status == "ok" else f"foveal ship {spool.root}")


def test_segments_that_nobody_ships(verdicts, spool):
    path = spool("a.seg", age=20)
    start = f"foveal ship {spool.root} --follow"
    ((status, what, paste),) = verdicts("shipper", spool=spool.root)
    assert (status, paste) == ("warning", start)
    assert what.endswith("s, and no shipper works on them")
    os.utime(path, (time.time() - 900,) * 2)
    assert verdicts("shipper", spool=spool.root)[0][0::2] == ("failure", start)


def test_a_shipper_that_does_not_ship(verdicts, spool):
    lock = spool("shipper.lock")
    segment = spool("a.seg", age=20)
    with lock.open("rb") as held:
        assert try_lock(held.fileno())
        assert lock_holder(lock) == os.getpid()
        assert verdicts("shipper", spool=spool.root) == [("ok", "Nothing of m is late", "")]
        os.utime(segment, (time.time() - 900,) * 2)
        ((status, what, paste),) = verdicts("shipper", spool=spool.root)
    assert status == "failure"
    assert f"process {os.getpid()}, which holds the lock, does not ship them" in what
    assert paste == f"kill -9 {os.getpid()}; foveal ship {spool.root} --follow"
    assert lock_holder(lock) is None


def test_a_lock_file_that_a_shipper_left_is_no_trouble(verdicts, spool):
    spool("shipper.lock", age=10**6)
    assert verdicts("shipper", spool=spool.root) == [("ok", "Nothing of m is late", "")]


def test_locks_of_other_containers(tmp_path):
    file, table = tmp_path / "f", tmp_path / "locks"
    file.touch()
    inode = file.stat().st_ino
    table.write_text(
        f"1: POSIX  ADVISORY  WRITE 7 fe:00:{inode} 0 EOF\n2: FLOCK  ADVISORY  WRITE -1 fe:00:{inode} 0 EOF\n"
    )
    assert lock_holder(file, table) == 0
    table.write_text(f"1: FLOCK  ADVISORY  WRITE 7 fe:00:{inode}1 0 EOF\n")
    assert lock_holder(file, table) is None


def test_damaged_segments_and_losses(verdicts, spool):
    spool("quarantine/a.seg")
    spool("b.losses").write_text('{"quota": 3, "disk_full": 1}')
    assert verdicts("quarantine", "losses", spool=spool.root) == [
        ("warning", "1 segments of m are damaged", f"ls -l {spool.root}/m/quarantine"),
        ("warning", "1 observations of m were dropped: disk_full", f"foveal ship {spool.root}"),
        ("warning", "3 observations of m were dropped: quota", f"foveal ship {spool.root}"),
    ]
