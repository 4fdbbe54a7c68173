"""What a dead writer leaves behind, and what can be read of it."""

from __future__ import annotations

import subprocess
import sys

from foveal.spool import Spool, loss_counters, read_segment, seal_abandoned, sealed_segments
from foveal.spool.frame import encode_frame

KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from foveal.records import Observation, SampleRecord
from foveal.spool import Spool
spool = Spool(sys.argv[1], max_bytes={quota})
for n in range(3):
    spool.append(Observation(SampleRecord(f"r{{n}}", 0, "production", "t", 0, (), {{}}, "m", "c", "s", (1,))))
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_killed(folder, quota=10**6):
    program = KILLED.format(path=sys.path, quota=quota)
    assert subprocess.run([sys.executable, "-c", program, folder], check=False).returncode == -9


def test_a_killed_writers_segment_is_sealed_and_whole(spool_folder):
    run_killed(spool_folder)
    assert sealed_segments(spool_folder) == []
    sealed = seal_abandoned(spool_folder)
    assert sealed == sealed_segments(spool_folder)
    reader = read_segment(sealed[0])
    assert [o.sample.sample for o in reader] == ["r0", "r1", "r2"]
    assert (reader.torn, reader.damaged, reader.lost_bytes) == (0, 0, 0)


def test_a_living_writers_segment_is_left_alone(spool_folder, observe):
    with Spool(spool_folder) as spool:
        spool.append(observe())
        assert seal_abandoned(spool_folder) == []
        assert len(list(spool_folder.glob("*.open"))) == 1


def test_what_a_killed_writer_dropped_is_still_on_record(spool_folder):
    run_killed(spool_folder, quota=0)
    assert loss_counters(spool_folder) == {"quota": 3}


def test_losses_of_several_writers_add_up_and_broken_files_count_nothing(tmp_path):
    (tmp_path / "a.losses").write_text('{"quota": 2, "disk_full": 1}   ')
    (tmp_path / "b.losses").write_text('{"quota": 3}')
    (tmp_path / "c.losses").write_text('{"quo')
    (tmp_path / "d.losses").write_bytes(b"")
    assert loss_counters(tmp_path) == {"quota": 5, "disk_full": 1}


def test_reading_counts_a_torn_tail_and_a_damaged_middle(tmp_path, observe):
    frames = [encode_frame(observe(name, features=())) for name in "abcd"]
    frames[1] = frames[1][:-1] + b"?"
    (tmp_path / "x.seg").write_bytes(b"".join(frames)[:-5])
    reader = read_segment(tmp_path / "x.seg")
    assert [o.sample.sample for o in reader] == ["a", "c"]
    assert (reader.torn, reader.damaged) == (1, 1)
    assert reader.lost_bytes == len(frames[1]) + len(frames[3]) - 5


def test_listing_a_folder_that_is_not_there_finds_nothing(tmp_path):
    assert sealed_segments(tmp_path / "none") == []
    assert seal_abandoned(tmp_path / "none") == []
    assert loss_counters(tmp_path / "none") == {}
