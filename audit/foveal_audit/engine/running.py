"""The engine: does pieces of work through an executor and knows where their results lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from foveal.archives import AuditedModel
from foveal_audit.engine.desk import Desk, NamedModel, identity_of
from foveal_audit.engine.executors import Executor, Inline, Task
from foveal_audit.engine.shelf import Shelf
from foveal_audit.engine.work import Work, perform

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Job:
    """Pieces of work of one kind, and how their progress is called."""

    what: str
    works: Sequence[Work]


class Engine:
    """Does pieces of work on one model, each once.

    Parameters
    ----------
    model
        The audited model.
    shelf
        Where results are kept.
    executor
        Where work is done.
    """

    def __init__(self, model: AuditedModel, shelf: Shelf, executor: Executor) -> None:
        self.shelf = shelf
        self._model, self._executor = identity_of(model), executor
        self._desk = Desk(lambda: model)
        self._named = NamedModel(model.source, self._model)

    def work(self, stage: str, inputs: Mapping[str, Path], settings: Mapping[str, Any]) -> Work:
        """Describe a piece of work on the model."""
        return Work(stage, self._model, inputs, settings)

    def keep(self, stage: str, settings: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Do what only the caller can do, unless its result is there.

        Parameters
        ----------
        stage, settings
            As of a piece of work.
        make
            Writes the result into the folder it is given.
        """
        name = self.work(stage, {}, settings).name
        found = self.shelf.find(name)
        if found is None:
            with self.shelf.put(name) as folder:
                make(folder)
        return self.shelf.root / name

    def run(self, jobs: Sequence[Job], progress: Progress) -> list[list[Path]]:
        """Do all work of all jobs, which may not depend on each other; what is done is not done again.

        Returns
        -------
        Per job the results, in the order of its works.
        """
        tally = _Tally(jobs, progress)
        open_ = [(job.what, work) for job in jobs for work in job.works if not self._is_done(work)]
        for what in [job.what for job in jobs for work in job.works if self._is_done(work)]:
            tally.count(what)
        for number in self._executor.run([self._task(work) for _, work in open_]):
            tally.count(open_[number][0])
        return [[self.shelf.root / work.name for work in job.works] for job in jobs]

    def _is_done(self, work: Work) -> bool:
        return self.shelf.find(work.name) is not None

    def _task(self, work: Work) -> Task:
        if self._executor.shares_memory:
            return partial(perform, work, self.shelf, self._desk)
        return partial(_perform_there, work, self.shelf, self._named)


class _Tally:
    """Counts what is done of each job and tells it."""

    def __init__(self, jobs: Sequence[Job], progress: Progress) -> None:
        self._totals = {job.what: len(job.works) for job in jobs}
        self._done = dict.fromkeys(self._totals, 0)
        self._progress = progress
        for what, total in self._totals.items():
            progress(what, 0, total)

    def count(self, what: str) -> None:
        self._done[what] += 1
        self._progress(what, self._done[what], self._totals[what])


#: The desk of a worker process; one model at a time.
_DESKS: dict[NamedModel, Desk] = {}


def _perform_there(work: Work, shelf: Shelf, model: NamedModel) -> None:
    """Do a piece of work in a process that was given nothing but names."""
    if model not in _DESKS:
        _DESKS.clear()
        _DESKS[model] = Desk(model.load)
    perform(work, shelf, _DESKS[model])


@contextmanager
def passing(model: AuditedModel) -> Iterator[Engine]:
    """Lend an engine that works in this process and keeps nothing."""
    with TemporaryDirectory(prefix="foveal-audit-") as folder:
        yield Engine(model, Shelf(Path(folder)), Inline())
