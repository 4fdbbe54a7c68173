"""Executors do every task once, wherever, and end when they are told to."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from foveal.errors import EnvironmentFault, UsageError
from foveal_audit.engine import executors
from foveal_audit.engine.executors import Inline, Processes, cores, opened


def mark(folder, number):
    Path(folder, str(number)).write_text(str(os.getpid()))


def refuse(_folder):
    raise UsageError("No such layer", "Name another")


def leave():
    os._exit(3)


def linger(folder):
    mark(folder, "begun")
    time.sleep(60)


def test_inline_does_one_after_the_other_here(tmp_path):
    with opened("inline") as executor:
        assert list(executor.run([partial(mark, tmp_path, n) for n in range(3)])) == [0, 1, 2]
    assert {path.read_text() for path in tmp_path.iterdir()} == {str(os.getpid())}


def test_one_local_job_needs_no_process():
    with opened("local", 1) as executor:
        assert isinstance(executor, Inline)


def test_local_takes_the_cores_that_there_are(monkeypatch):
    monkeypatch.setattr(executors, "cores", lambda: 1)
    with opened("local") as executor:
        assert isinstance(executor, Inline)
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def two():
    """Two real worker processes."""
    with opened("local", 2) as executor:
        assert isinstance(executor, Processes)
        yield executor


def test_processes_do_everything_somewhere_else(two, tmp_path):
    tasks = [partial(mark, tmp_path, n) for n in range(5)]
    assert sorted(two.run(tasks)) == [0, 1, 2, 3, 4]
    assert str(os.getpid()) not in {path.read_text() for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 5


def test_an_error_of_ours_comes_back_whole(two, tmp_path):
    with pytest.raises(UsageError) as caught:
        list(two.run([partial(refuse, tmp_path)]))
    assert (caught.value.fault, caught.value.mend) == ("No such layer", "Name another")


def test_a_worker_that_dies_is_told():
    with pytest.raises(EnvironmentFault) as caught, opened("local", 2) as executor:
        list(executor.run([leave]))
    assert caught.value.fault == "A worker process died, most likely because the memory was full"
    assert caught.value.mend == "Go on with fewer of them: --resume --jobs 1"


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt, also where these tests run in the background, where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupted_workers_stop_at_once(tmp_path):
    """The interrupt comes while a task runs that would take a minute."""
    watch = threading.Thread(target=interrupt_after, args=(tmp_path / "begun",))
    watch.start()
    with pytest.raises(KeyboardInterrupt), opened("local", 2) as executor:
        next(executor.run([partial(linger, tmp_path)]))
    watch.join()
    worker = int((tmp_path / "begun").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def interrupt_after(path):
    """Press Ctrl-C once a file is there."""
    while not path.exists() or not path.read_text():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def test_an_executor_of_another_package_is_found(monkeypatch):
    point = EntryPoint("ray", f"{__name__}:Inline", executors.GROUP)
    monkeypatch.setattr(executors, "entry_points", lambda group: [point] if group == executors.GROUP else [])
    monkeypatch.setattr(EntryPoint, "load", lambda _: executors._BUILT_IN["inline"])
    with opened("ray") as executor:
        assert isinstance(executor, Inline)


def test_what_is_not_installed_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr(executors, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentFault) as caught:
        opened("ray")
    assert caught.value.fault == "The executor 'ray' needs the package ray, which is not installed"
    assert caught.value.mend == (
        "Install it: pip install 'foveal[ray]'. Or leave --executor out to work on this machine"
    )
    monkeypatch.setattr(executors, "find_spec", lambda _: object())
    with pytest.raises(EnvironmentFault) as caught:
        opened("ray")
    assert caught.value.fault == "ray is installed, but nothing that lets an audit run on it"
    assert caught.value.mend == (
        "Install a package with the entry point ray in foveal.executors, "
        "or leave --executor out to work on this machine"
    )


def test_an_unknown_executor():
    with pytest.raises(UsageError) as caught:
        opened("locale")
    assert caught.value.fault == "There is no executor 'locale'"
    assert caught.value.mend == "Did you mean 'local'"
