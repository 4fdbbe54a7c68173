"""A clock that stands still or is set back, and process ids that come again, as in containers."""

from __future__ import annotations

import os
import time

import pytest
from small_records import observation

from foveal import shipper as shipping
from foveal.shipper import ship
from foveal.spool import Spool, loss_counters, sealed_segments


@pytest.fixture(params=["stands still", "runs backwards"])
def clock(request, monkeypatch):
    """A clock that does not go on."""
    now = [2 * 10**18]

    def read():
        now[0] -= 10**9 if request.param == "runs backwards" else 0
        return now[0]

    monkeypatch.setattr(time, "time_ns", read)
    monkeypatch.setattr(time, "time", lambda: read() / 1e9)
    monkeypatch.setattr(os, "getpid", lambda: 1)


def test_no_segment_takes_anothers_name(clock, spool_folder, library, kept):
    for name in "abc":
        with Spool(spool_folder, roll_bytes=1) as spool:
            assert spool.append(observation(name))
    assert len(sealed_segments(spool_folder)) == 3
    assert ship(spool_folder, library).samples == 3
    with Spool(spool_folder, roll_bytes=1) as one, Spool(spool_folder, roll_bytes=1) as other:
        assert one.append(observation("d"))
        assert other.append(observation("e"))
    assert ship(spool_folder, library).quarantined == 0
    assert kept(library) == set("abcde")


def test_a_quiet_segment_is_sealed_all_the_same(clock, spool_folder):
    with Spool(spool_folder, roll_seconds=0.05) as spool:
        spool.append(observation("a"))
        deadline = time.monotonic() + 30
        while not sealed_segments(spool_folder):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_quota_is_looked_up_again_all_the_same(clock, spool_folder, monkeypatch):
    monkeypatch.setattr("foveal.spool.writer._RESCAN_SECONDS", 0.0)
    with Spool(spool_folder, max_bytes=3000, roll_bytes=1) as spool:
        while spool.append(observation("a", size=600)):
            pass
        for segment in sealed_segments(spool_folder):
            segment.unlink()
        assert spool.append(observation("b", size=600))


def test_what_writers_dropped_is_reported_once_each(clock, spool_folder, library, monkeypatch):
    spools = [Spool(spool_folder, max_bytes=0) for _ in range(3)]
    assert not any(spool.append(observation(name)) for spool in spools for name in "ab")
    for _ in range(2):
        ship(spool_folder, library)
    assert loss_counters(spool_folder) == {"quota": 6}
    for spool in spools:
        spool.close()
    monkeypatch.setattr(shipping, "_NEW_SECONDS", -1.0)
    ship(spool_folder, library)
    assert library.losses() == {"quota": 6}
    assert not list(spool_folder.glob("*.losses"))


def test_reports_from_the_future_are_not_kept_for_ever(clock, spool_folder, library):
    spool = Spool(spool_folder, max_bytes=0)
    spool.append(observation("a"))
    spool.close()
    (report,) = spool_folder.glob("*.losses")
    os.utime(report, (4 * 10**9, 4 * 10**9))
    ship(spool_folder, library)
    assert not report.exists()
    assert library.losses() == {"quota": 1}
