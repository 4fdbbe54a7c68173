"""Forks writers or shippers and kills every one: ``nursery.py writers|shippers JSON``.

Every other child is killed at a random instant, the rest right before a random one of their own calls of the
system (writers also in the middle of a write): instants alone would hardly ever meet those. Both nurseries
keep step, so that to the end there is something to ship.
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


#: So many children one nursery may be ahead of the other.
LEAD = 5


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
    path = Path(f"{told['ends']}.measured")
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


class Steps:
    """How far each nursery is: a file that grows by a byte with every child."""

    def __init__(self, kind, told):
        (self.other,) = set(told["kills"]) - {kind}
        self.kills = {one: told["kills"][one] for one in (kind, self.other)}
        self.files = {one: Path(f"{told['ends']}.{one}.steps") for one in self.kills}
        self.kind = kind

    def done(self, kind):
        file = self.files[kind]
        return file.stat().st_size / self.kills[kind] if file.exists() else 0.0

    def wait(self):
        """Wait while this nursery is ahead of the other one."""
        deadline = time.monotonic() + 300
        while self.done(self.kind) - self.done(self.other) > LEAD / self.kills[self.kind]:
            assert time.monotonic() < deadline, self.files
            time.sleep(0.02)

    def wait_for_work(self, folder):
        """Wait, though not for ever, until there is something to ship."""
        deadline = time.monotonic() + 2
        while not waiting(folder) and self.done(self.other) < 1 and time.monotonic() < deadline:
            time.sleep(0.005)

    def take(self):
        with self.files[self.kind].open("a") as file:
            file.write(".")


def waiting(folder):
    """Tell whether there is a segment to ship, or one in the library that is not deleted yet."""
    names = [path.name for path in Path(folder).iterdir()]
    # At most one open segment has a living writer.
    return any(name.endswith((".seg", ".done")) for name in names) or (
        sum(name.endswith(".open") for name in names) > 1
    )


def run(kind, told):
    chance, steps = random.Random(told["seed"]), Steps(kind, told)
    if kind == "shippers":
        told |= measured(told)
    live = {"writers": writer, "shippers": shipper}[kind]
    ends, busy = {}, 0
    for serial in range(told["kills"][kind]):
        steps.wait()
        if kind == "shippers":
            steps.wait_for_work(told["spool"])
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
        busy += waiting(told["spool"])
        steps.take()
    Path(f"{told['ends']}.{kind}").write_text(json.dumps({"ends": ends, "busy": busy}))


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
