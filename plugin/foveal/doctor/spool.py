"""Checks of the spool: folder, disk, quota, what waits in it and who ships it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from foveal.doctor.checks import Surroundings, Verdict, check, failure, ok, skipped, warning
from foveal.doctor.locks import lock_holder
from foveal.monitoring.state import LOCK, FolderState, LossLedger, spool_state

_LITTLE_BYTES = 200_000_000
_FEW_FILES = 1000
_NEARLY = 0.5, 0.9
_LATE_SECONDS = 300.0
_SKIPPED = "No spool is given"
_HOW = "foveal doctor --spool DIR"


@check("spool-folder", "Workers that cannot write there drop what they saw; others who can may plant entries")
def spool_folder(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look at the folder and its permissions."""
    spool = surroundings.spool
    if spool is None:
        yield skipped(_SKIPPED, _HOW)
        return
    quoted = shlex.quote(str(spool))
    if not spool.is_dir():
        yield failure(f"There is no folder {spool}", f"install -d -m 700 {quoted}")
        return
    if not os.access(spool, os.R_OK | os.W_OK | os.X_OK):
        yield failure(f"This user cannot work in {spool}", f"sudo chown -R $USER {quoted}")
    elif spool.stat().st_mode & 0o002:
        yield failure(f"Everybody can write to {spool}", f"chmod o-w {quoted}")
    else:
        yield ok(f"{spool} can be worked in")
    yield from _unreadable(spool)


def _unreadable(spool: Path) -> Iterable[Verdict]:
    """Look for segments that this user could not ship."""
    for state in spool_state(spool):
        foreign = [path for path in state.folder.glob("*.seg") if not os.access(path, os.R_OK)]
        if foreign:
            yield failure(
                f"{len(foreign)} segments of {state.model} cannot be read by this user",
                f"sudo -u '#{foreign[0].stat().st_uid}' foveal ship {shlex.quote(str(spool))} --follow",
            )


@check("disk", "On a full disk nothing is spooled; requests go on, what they showed is dropped and counted")
def disk(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look at what the spool's disk still takes."""
    if surroundings.spool is None or not surroundings.spool.is_dir():
        yield skipped(_SKIPPED, _HOW)
        return
    stats = os.statvfs(surroundings.spool)
    free = stats.f_bavail * stats.f_frsize
    used = sum(state.bytes for state in spool_state(surroundings.spool))
    mend = f"df -h {shlex.quote(str(surroundings.spool))}"
    if free < _LITTLE_BYTES or (stats.f_files and stats.f_favail < _FEW_FILES):
        yield failure(f"The disk takes {_size(free)} and {stats.f_favail} files more", mend)
    elif free < surroundings.max_bytes - used:
        yield warning(f"The disk takes {_size(free)} more, less than the quota allows", mend)
    else:
        yield ok(f"The disk takes {_size(free)} more")


@check("quota", "What does not fit into a model's quota is dropped and counted")
def quota(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look how full each model's folder is."""
    states = _states(surroundings)
    if not states:
        yield _empty(surroundings)
    for state in states:
        share = state.bytes / surroundings.max_bytes
        what = f"{state.model} fills {share:.0%} of its {_size(surroundings.max_bytes)}"
        some, most = _NEARLY
        if share < some:
            yield ok(what)
        else:
            yield (failure if share >= most else warning)(what, _ship(surroundings, once=True))


@check("shipper", "What is sealed waits for a shipper, on this machine's disk and nowhere else")
def shipper(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether segments are shipped, and by whom."""
    states = _states(surroundings)
    if not states:
        yield _empty(surroundings)
    for state in states:
        yield _shipping(state, _ship(surroundings))


def _shipping(state: FolderState, start: str) -> Verdict:
    """Judge one folder's shipping by what waits and who holds the lock."""
    holder = _holder(state.folder / LOCK)
    late = state.lag_seconds > _LATE_SECONDS
    waiting = f"{state.sealed} segments of {state.model} wait, one for {state.lag_seconds:.0f} s"
    if late and holder is None:
        return failure(f"{waiting}, and no shipper works on them", start)
    if late:
        who = f"process {holder}" if holder else "a process elsewhere"
        end = f"kill -9 {holder}; " if holder else ""
        return failure(f"{waiting}, and {who}, which holds the lock, does not ship them", f"{end}{start}")
    if holder is None and state.sealed:
        return warning(f"{waiting}, and no shipper works on them", start)
    return ok(f"Nothing of {state.model} is late")


def _holder(lock: Path) -> int | None:
    """Find who ships a folder; nobody where there never was a shipper."""
    try:
        return lock_holder(lock)
    except FileNotFoundError:
        return None


@check("quarantine", "Damaged segments hold entries that are not in the library, or were changed by somebody")
def quarantine(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look for damaged segments."""
    damaged = [state for state in _states(surroundings) if state.quarantined]
    if not damaged:
        yield ok("No segment is in quarantine") if surroundings.spool else skipped(_SKIPPED, _HOW)
    for state in damaged:
        folder = shlex.quote(str(state.folder / "quarantine"))
        yield warning(f"{state.quarantined} segments of {state.model} are damaged", f"ls -l {folder}")


@check("losses", "A report says what it did not see; better is to see it")
def losses(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look what workers that live, or whose losses are not yet shipped, had to drop."""
    totals = LossLedger().totals(_states(surroundings))
    if not totals:
        yield ok("Nothing is known to be dropped") if surroundings.spool else skipped(_SKIPPED, _HOW)
    for (model, reason), count in sorted(totals.items()):
        yield warning(
            f"{count} observations of {model} were dropped: {reason}", _ship(surroundings, once=True)
        )


def _empty(surroundings: Surroundings) -> Verdict:
    """Say why there is nothing to look at."""
    return skipped("No model has spooled anything") if surroundings.spool else skipped(_SKIPPED, _HOW)


def _states(surroundings: Surroundings) -> list[FolderState]:
    """Look at the models' folders."""
    return spool_state(surroundings.spool) if surroundings.spool else []


def _ship(surroundings: Surroundings, once: bool = False) -> str:
    """Give the command that ships."""
    return f"foveal ship {shlex.quote(str(surroundings.spool))}{'' if once else ' --follow'}"


def _size(count: float) -> str:
    """Write a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
