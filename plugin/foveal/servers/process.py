"""One started program with all its children, that can be stopped without leaving any of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from foveal.errors import EnvironmentFault
from foveal.servers.guard import Guard

_POLL_SECONDS = 0.1


class ProcessGroup:
    """A program in a process group of its own: signals from a terminal do not reach it, ours reach all of it.

    It does not outlive the process that started it, however that one ends: see :mod:`foveal.servers.guard`.

    Parameters
    ----------
    command
        The program and its arguments.
    environ
        Its whole environment.
    folder
        Its working folder.
    log
        The file that its standard output and errors are appended to.
    scratch
        A folder that is removed where this process is killed, after the program.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        log: Path,
        scratch: Path | None = None,
    ) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                env=dict(environ),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = Guard(self._process.pid, scratch=scratch)

    @property
    def pid(self) -> int:
        """Process id of the program, and the id of its group."""
        return self._process.pid

    def running(self) -> bool:
        """Tell whether the program itself still runs."""
        return self._process.poll() is None

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Ask the program to end, wait, and kill what is left of its group after the grace.

        A launcher is not asked itself but what it launched: it then ends on its own and reaps its children,
        where a launcher that dies first leaves them behind as zombies.
        """
        self._end(grace_seconds)
        self._guard.release()

    def _end(self, grace_seconds: float) -> None:
        """End all of the group."""
        for pid in _children(self.pid) or [self.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self._ended(grace_seconds):
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signum)
            grace_seconds = 5.0
        self._ended(grace_seconds)

    def _ended(self, seconds: float) -> bool:
        """Wait until no process of the group is alive."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None and not living_members(self.pid):
                return True
            time.sleep(_POLL_SECONDS)
        return False


def living_members(group: int) -> list[int]:
    """List the processes of a group that have not ended; zombies have."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    import psutil  # noqa: PLC0415 - comes with the extra [serve], like the servers themselves

    return [pid for pid in psutil.pids() if _belongs(pid, group)]


def _children(pid: int) -> list[int]:
    """List the living children of a process."""
    import psutil  # noqa: PLC0415

    with suppress(psutil.Error):
        return [
            child.pid for child in psutil.Process(pid).children() if child.status() != psutil.STATUS_ZOMBIE
        ]
    return []


def _belongs(pid: int, group: int) -> bool:
    """Tell whether a process is a living member of a group."""
    import psutil  # noqa: PLC0415

    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def wait_until(
    ready: Callable[[], bool], group: ProcessGroup, seconds: float, fault: Callable[[str], EnvironmentFault]
) -> None:
    """Wait for a started program to be ready.

    Parameters
    ----------
    ready
        Says whether it is; may itself raise where it sees that it never will be.
    fault
        Makes the error from a few words of what happened, where the program ends or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if not group.running():
            raise fault("ended while it started")
        if time.monotonic() > deadline:
            raise fault(f"was not ready after {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)
