from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from foveal.servers.guard import Guard
from foveal.servers.process import living_members

OWNER = """
import sys, time
sys.path[:0] = {path!r}
import os
from pathlib import Path
from foveal.servers.process import ProcessGroup
folder = Path({folder!r})
group = ProcessGroup([sys.executable, "-uc", {child!r}], os.environ, folder, folder / "log")
while (folder / "log").read_text().count("ready") < 2:
    time.sleep(0.05)
print(group.pid, flush=True)
{then}
"""
CHILD = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-uc", "print('ready'); import time; time.sleep(300)"])
print("ready")
time.sleep(300)
"""


@pytest.fixture
def owner(tmp_path):
    """Start a process that owns a group of two; gives it and the group."""
    groups = []

    def start(then):
        code = OWNER.format(path=sys.path, folder=str(tmp_path), child=CHILD, then=then)
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        group = int(process.stdout.readline())
        groups.append(group)
        return process, group

    yield start
    for group in groups:
        if living_members(group):
            os.killpg(group, signal.SIGKILL)


def ended(group, seconds=10):
    deadline = time.monotonic() + seconds
    while living_members(group) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not living_members(group)


def test_what_a_killed_process_started_ends_with_all_its_children(owner):
    process, group = owner("time.sleep(300)")
    assert len(living_members(group)) == 2
    process.kill()
    process.wait()
    assert ended(group)


def test_so_does_what_a_process_forgot_to_stop(owner):
    process, group = owner("")
    process.wait()
    assert ended(group)


def test_what_does_not_listen_is_killed_after_the_grace(tmp_path):
    child = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    scratch = tmp_path / "a scratch folder"
    scratch.mkdir()
    (scratch / "file").touch()
    guard = Guard(child.pid, grace_seconds=1, scratch=scratch)
    guard._line.close()
    assert child.wait(timeout=20) == -signal.SIGKILL
    guard._shell.wait(timeout=20)
    assert list(tmp_path.iterdir()) == []


def test_a_group_that_is_let_go_lives_on():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        guard = Guard(child.pid)
        guard.release()
        guard.release()
        assert guard._shell.returncode == 0
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
