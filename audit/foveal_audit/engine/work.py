"""The unit of work: a pure function of folders and settings, whose result is a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from foveal_audit.engine.addresses import address
from foveal_audit.engine.desk import Desk
from foveal_audit.engine.shelf import Shelf, content_of
from foveal_audit.reproducible import one_thread

#: Computes a piece of work into an empty folder.
Stage: TypeAlias = "Callable[[Work, Desk, Path], None]"


@dataclass(frozen=True)
class Work:
    """A piece of work.

    Attributes
    ----------
    stage
        Name of the function in :data:`foveal_audit.engine.stages.STAGES`.
    model
        Hash of the audited model and its settings.
    inputs
        Finished results that it reads.
    settings
        All else that its result depends on, as JSON.
    """

    stage: str
    model: str
    inputs: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """Where its result lies: equal work has equal names, whoever does it."""
        inputs = {name: content_of(folder) for name, folder in self.inputs.items()}
        content = [self.stage, self.model, inputs, dict(self.settings)]
        return f"{self.stage}/{address(content)}"


def perform(work: Work, shelf: Shelf, desk: Desk) -> Path:
    """Do a piece of work on one thread, unless its result is there."""
    from foveal_audit.engine.stages import STAGES  # noqa: PLC0415 - the stages know work

    found = shelf.find(work.name)
    if found is None:
        with one_thread(), shelf.put(work.name) as folder:
            STAGES[work.stage](work, desk, folder)
    return shelf.root / work.name
