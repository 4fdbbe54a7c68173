from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from foveal.errors import EnvironmentFault
from foveal.servers.process import ProcessGroup, living_members, wait_until


@pytest.fixture
def group(tmp_path):
    """Start a Python program in a group of its own; it says `ready` when it is."""
    started = []

    def start(code):
        group = ProcessGroup(
            [sys.executable, "-uc", code], os.environ, tmp_path, tmp_path / "logs" / "out.log"
        )
        started.append(group)
        if "ready" in code:
            wait_until(
                lambda: "ready" in group.log.read_text(), group, 20, lambda what: EnvironmentFault(what, "")
            )
        return group

    yield start
    for group in started:
        if group.running():
            os.killpg(group.pid, signal.SIGKILL)


def test_a_program_is_asked_to_end(group):
    one = group(
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: sys.exit(print('asked')))\n"
        "print('ready')\n"
        "time.sleep(60)\n"
    )
    assert one.running()
    one.stop()
    assert not one.running()
    assert one.log.read_text().split() == ["ready", "asked"]


def test_a_program_that_does_not_listen_is_killed(group):
    one = group("import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)")
    one.stop(grace_seconds=0.3)
    assert not one.running()
    assert living_members(one.pid) == []


LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-uc", {child!r}])
{then}
"""
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"


def test_a_launcher_reaps_what_it_launched(group):
    one = group(
        LAUNCHER.format(
            child="import time; print('ready'); time.sleep(60)", then="child.wait(); print('reaped')"
        )
    )
    members = living_members(one.pid)
    assert len(members) == 2
    one.stop()
    assert one.log.read_text().split() == ["ready", "reaped"]
    assert living_members(one.pid) == []


def test_children_of_a_dead_launcher_do_not_stay(group):
    one = group(LAUNCHER.format(child=STUBBORN, then="import time; time.sleep(60)"))
    assert len(living_members(one.pid)) == 2
    one.stop(grace_seconds=0.3)
    assert living_members(one.pid) == []


def test_orphans_do_not_stay_either(group):
    one = group(LAUNCHER.format(child=STUBBORN, then="import time; time.sleep(0.5)"))
    deadline = time.monotonic() + 20
    while one.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(living_members(one.pid)) == 1
    one.stop(grace_seconds=0.3)
    assert living_members(one.pid) == []


def test_stopping_twice_does_no_harm(group):
    one = group("print('ready')")
    one.stop()
    one.stop()
    assert not one.running()


def test_a_program_gets_no_signals_of_this_terminal(group):
    one = group("import time; print('ready'); time.sleep(60)")
    assert os.getpgid(one.pid) == one.pid != os.getpgid(0)


def fault(what):
    return EnvironmentFault(f"It {what}", "Mend it")


def test_waiting_for_one_that_ends(group):
    one = group("pass")
    with pytest.raises(EnvironmentFault, match=r"^It ended while it started\. Mend it\.$"):
        wait_until(lambda: False, one, 20, fault)


def test_waiting_for_one_that_never_is_ready(group):
    one = group("import time; print('ready'); time.sleep(60)")
    with pytest.raises(EnvironmentFault, match="It was not ready after 0 seconds"):
        wait_until(lambda: False, one, 0.2, fault)
