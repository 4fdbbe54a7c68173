"""Forks writers or shippers and kills every one: ``nursery.py writers|shippers JSON``.

Every other child is killed at a random instant, the rest right before a random one of their own calls of the
system (writers also in the middle of a write): instants alone would hardly ever meet those.
"""

# ruff: noqa: PLC0415 - what a kind of child needs is imported where it is chosen

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

#: Where a process may be cut off, as the interpreter names its calls of the system.
CALLS = {
    *("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "fcntl.flock"),
    *("shutil.copyfile", "shutil.copymode", "socket.connect", "http.client.send", "sqlite3.connect"),
}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_call(number):
    """Let this process be killed right before its n-th call."""
    left = [number]

    def hook(event, _):
        if event in CALLS:
            left[0] -= 1
            if left[0] < 0:
                die()

    sys.addaudithook(hook)


def die_in_write(number, part):
    """Let this process be killed when only a part of its n-th write is done."""
    real, left = os.write, [number]

    def write(descriptor, data):
        left[0] -= 1
        if left[0] >= 0:
            return real(descriptor, data)
        real(descriptor, data[: int(len(data) * part)])
        return die()

    os.write = write


def writer(told, serial):
    from small_records import observation

    from foveal.spool import Spool

    acknowledged = os.open(told["acknowledged"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    spool = Spool(told["spool"], roll_bytes=told["roll_bytes"], durability=told["durability"])
    for number in range(10**6):
        name = f"{serial}-{number}"
        if spool.append(observation(name)):
            os.writev(acknowledged, [f"{name}\n".encode()])
        if number % 4 == 3:
            time.sleep(told["pause"])


def shipper(told, serial):
    from foveal.library import Library
    from foveal.shipper import ship

    while True:
        ship(told["spool"], Library(told["library"], told["uri"]))
        time.sleep(0.01)


def measured(told):
    """Ship a segment in peace, and count the seconds and calls that it takes here; import what it imports."""
    for name in shipped_in_peace(told)["modules"]:
        with suppress(ImportError):
            importlib.import_module(name)
    found = shipped_in_peace(told)
    return {"longest": min(found["longest"], 2.0), "calls": found["calls"]}


def shipped_in_peace(told):
    path = Path(told["ends"]).with_name("measured")
    child = os.fork()
    if child == 0:
        calls = []
        sys.addaudithook(lambda event, _: calls.append(event) if event in CALLS else None)
        began = time.monotonic()
        try:
            one_segment_shipped(told)
            found = {"longest": time.monotonic() - began, "calls": len(calls), "modules": sorted(sys.modules)}
            path.write_text(json.dumps(found))
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    return json.loads(path.read_text())


def one_segment_shipped(told):
    from small_records import observation

    from foveal.library import Library
    from foveal.shipper import ship
    from foveal.spool import Spool

    name = f"peaceful-{os.getpid()}"
    with Spool(told["spool"]) as spool:
        assert spool.append(observation(name))
    with Path(told["acknowledged"]).open("a") as acknowledged:
        acknowledged.write(f"{name}\n")
    ship(told["spool"], Library(told["library"], told["uri"]))


def doom(kind, chance, calls):
    """Choose the end of a child that is not killed from outside."""
    if kind == "writers" and chance.random() < 0.5:
        die_in_write(chance.randrange(30), chance.random())
    else:
        die_at_call(chance.randrange(calls))


def run(kind, told):
    chance = random.Random(told["seed"])
    if kind == "shippers":
        told |= measured(told)
    live = {"writers": writer, "shippers": shipper}[kind]
    ends = {}
    for serial in range(told["kills"]):
        from_outside, seed = serial % 2 == 0, chance.random()
        child = os.fork()
        if child == 0:
            try:
                if not from_outside:
                    doom(kind, random.Random(seed), told["calls"])
                live(told, serial)
            finally:
                os._exit(1)
        end = await_end(child, chance.random() * told["longest"] if from_outside else 20.0)
        ends[end] = ends.get(end, 0) + 1
    Path(told["ends"]).write_text(json.dumps(ends))


def await_end(child, seconds):
    """Kill a child after a while, and say how it ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    kind, told = sys.argv[1], json.loads(sys.argv[2])
    sys.path[:0] = told["path"]
    import small_records  # noqa: F401 - once for all: importing takes longer than what is to be killed

    if kind == "shippers":
        os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
        import mlflow
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    run(kind, told)
