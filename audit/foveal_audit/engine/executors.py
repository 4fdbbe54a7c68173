"""Executors: where pieces of work are done. Results lie in folders, so nothing but "done" comes back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import entry_points
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Protocol, TypeAlias

import torch

from foveal.errors import EnvironmentFault, FovealError, UsageError, nearest

#: Something to do, without arguments; picklable where the executor does not share the caller's memory.
Task: TypeAlias = Callable[[], object]
#: Entry points of this group are further executors: a function of the number of jobs (None for its own
#: choice) that gives a context manager with an :class:`Executor`.
GROUP = "foveal.executors"


class Executor(Protocol):
    """Does tasks that do not depend on each other, anywhere and in any order.

    Attributes
    ----------
    shares_memory
        Whether tasks run in the caller's process. Where they do not, they are pickled, and the folders that
        they name must be reachable from where they run.
    """

    shares_memory: bool

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks; gives the number of each as soon as it is done, and raises the first failure."""


Opener: TypeAlias = Callable[[int | None], AbstractContextManager[Executor]]


class Inline:
    """Does one task after the other in the caller's process."""

    shares_memory = True

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks."""
        for number, task in enumerate(tasks):
            task()
            yield number


class Processes:
    """Does tasks in a pool of worker processes."""

    shares_memory = False

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def run(self, tasks: Sequence[Task]) -> Iterator[int]:
        """Do all tasks.

        Raises
        ------
        EnvironmentFault
            If a worker died.
        """
        try:
            with _undisturbed():
                futures = {self._pool.submit(_attempt, task): number for number, task in enumerate(tasks)}
            for future in as_completed(futures):
                if (fault := future.result()) is not None:
                    raise fault.error()
                yield futures[future]
        except BrokenProcessPool as error:
            raise EnvironmentFault(
                "A worker process died, most likely because the memory was full",
                "Go on with fewer of them: --resume --jobs 1",
            ) from error


class _Fault:
    """One of our errors on its way between processes: an exception is pickled without its second half."""

    def __init__(self, error: FovealError) -> None:
        self._kind, self._parts = type(error), (error.fault, error.mend)

    def error(self) -> FovealError:
        """Give the error again."""
        return self._kind(*self._parts)


def _attempt(task: Task) -> _Fault | None:
    try:
        task()
    except FovealError as error:
        return _Fault(error)
    return None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Start processes that never see Ctrl-C: it is the caller who stops them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settle(line: Connection) -> None:
    """Prepare a worker: one thread, and an end when the line to the caller is cut, on purpose or not."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_after, args=(line,), daemon=True).start()


def _end_after(line: Connection) -> None:
    line.poll(None)
    os._exit(1)


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    context = get_context("spawn")
    line, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_settle, initargs=(line,))
    try:
        yield Processes(pool)
    except BaseException:
        ours.close()  # what is half done is lost, what is done lies on the shelf
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        line.close()


def cores() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _local(jobs: int | None) -> AbstractContextManager[Executor]:
    """Work on this machine: in worker processes, or right here where there would be only one."""
    number = jobs or cores()
    return _processes(number) if number > 1 else nullcontext(Inline())


_BUILT_IN: Mapping[str, Opener] = {"local": _local, "inline": lambda _jobs: nullcontext(Inline())}
#: Executors with a package of their own: what must be installed for them.
_EXTRAS = {"ray": "pip install 'foveal[ray]'"}


def opened(name: str, jobs: int | None = None) -> AbstractContextManager[Executor]:
    """Open an executor by its name.

    Parameters
    ----------
    name
        ``local``, ``inline``, or an entry point in :data:`GROUP`; built-in ones cannot be replaced.
    jobs
        How many tasks at a time; None leaves it to the executor.

    Raises
    ------
    UsageError
        If no executor has that name.
    EnvironmentFault
        If what it needs is not installed.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name](jobs)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name in found:
        opener: Opener = found[name].load()
        return opener(jobs)
    if name in _EXTRAS:
        raise _missing(name)
    raise UsageError(f"There is no executor {name!r}", nearest(name, [*_BUILT_IN, *_EXTRAS, *found]))


def _missing(name: str) -> EnvironmentFault:
    if find_spec(name) is None:
        return EnvironmentFault(
            f"The executor {name!r} needs the package {name}, which is not installed",
            f"Install it: {_EXTRAS[name]}. Or leave --executor out to work on this machine",
        )
    return EnvironmentFault(
        f"{name} is installed, but nothing that lets an audit run on it",
        f"Install a package with the entry point {name} in {GROUP}, "
        "or leave --executor out to work on this machine",
    )
