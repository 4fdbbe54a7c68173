"""Retention beside a shipper: what has grown old is erased while new samples come in.

A program of its own does it, ``foveal library retain``: neither its memory nor its faults are the shipper's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from foveal.errors import FovealError

if TYPE_CHECKING:
    from foveal.library import Library
    from foveal.shipper import Shipped

#: How often a library is gone through, and how often it is looked whether there is one to go through.
PERIOD_SECONDS = 6 * 3600.0
_LOOK_SECONDS = 1.0
#: `foveal library retain` ends so while something could not be reached: it is, next time.
_FINE = (0, 4)


@contextmanager
def retaining(shipped: Shipped, days: float) -> Iterator[None]:
    """Erase production samples older than so many days from the libraries of a shipper, now and then.

    Parameters
    ----------
    shipped
        Names the libraries, as far as they are known.
    days
        How long samples are kept, 0 or more.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_retain, args=(shipped, days, stop), name="retention")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _retain(shipped: Shipped, days: float, stop: threading.Event) -> None:
    due: dict[str, float] = {}
    while not stop.wait(_LOOK_SECONDS):
        for library in list(shipped.libraries.values()):
            if time.monotonic() >= due.get(library.name, 0) and _is_there(library):
                due[library.name] = time.monotonic() + PERIOD_SECONDS
                _run(library.name, days, stop)


def _is_there(library: Library) -> bool:
    try:
        return library.exists()
    except FovealError:  # the shipper says so itself, and waits
        return False


def _run(name: str, days: float, stop: threading.Event) -> None:
    """Go through one library; it may be stopped anywhere, the next time goes on."""
    command = ["library", "retain", name, "--days", f"{days:g}"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from foveal.cli import main; main()", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    ending = threading.Thread(target=_end, args=(process, stop))
    ending.start()
    told, _ = process.communicate()
    ending.join()
    if not stop.is_set() or process.returncode in _FINE:
        typer.echo(f"Retention of {days:g} days: {told.strip()}", err=True)


def _end(process: subprocess.Popen[str], stop: threading.Event) -> None:
    """End a process when it is time to stop."""
    while process.poll() is None:
        if stop.wait(0.2):
            process.terminate()
            return
