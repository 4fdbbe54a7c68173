"""What a detector must offer to be compared with the audit, and which detectors are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal_audit.windows import Evidence, Samples, Windows

#: The room whose ``OPPONENTS`` (name to opponent) are compared as well, where it is installed.
ROOM = "foveal_audit.opponents"


@dataclass(frozen=True)
class Group:
    """A cluster that an opponent made itself, and how surely it is an artefact.

    Attributes
    ----------
    windows
        Its entries.
    score
        Higher = rather an artefact; any scale that is the same for all models.
    """

    windows: Windows
    score: float


@dataclass(frozen=True)
class Foreign:
    """How unlike training each production sample is.

    Attributes
    ----------
    scores
        float64 (production samples,), in the order of the samples; higher = less like training.
    groups
        Positions among all samples of the groups it found, where it looks for any.
    """

    scores: NDArray[np.float64]
    groups: tuple[NDArray[np.int64], ...] = ()


class Opponent(Protocol):
    """A detector: it gets what the audit gets and answers in the audit's words."""

    @property
    def name(self) -> str:
        """What tables call it."""

    def artefacts(self, evidence: Evidence, model: AuditedModel, seed: int) -> Sequence[Group] | None:
        """Cluster and score; None where it does not look for artefacts."""

    def gaps(self, evidence: Evidence, model: AuditedModel, seed: int) -> Foreign | None:
        """Score every production sample; None where it does not look for gaps."""


def known_opponents() -> dict[str, Opponent]:
    """Give the opponents by name: the trivial ones, and those of :data:`ROOM`."""
    from foveal_audit.benchmarking.trivial import TRIVIAL  # noqa: PLC0415 - they import this module

    others: Mapping[str, Opponent] = {}
    if find_spec(ROOM) is not None:
        others = import_module(ROOM).OPPONENTS
    return {**TRIVIAL, **others}


def answer(opponent: Opponent, evidence: Evidence, model: AuditedModel, seed: int) -> dict[str, Any]:
    """Let an opponent answer, in the form that the scorer reads."""
    groups = opponent.artefacts(evidence, model, seed)
    foreign = opponent.gaps(evidence, model, seed)
    return {
        "name": opponent.name,
        "assessments": None if groups is None else [_assessment(group, evidence.samples) for group in groups],
        "coverage": None if foreign is None else _coverage(foreign, evidence.samples),
        "gaps": [] if foreign is None else [_names(rows, evidence.samples) for rows in foreign.groups],
    }


def write_answer(path: Path, content: Mapping[str, Any]) -> None:
    """Write an answer; what carries the name is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.replace(path)


def _assessment(group: Group, samples: Samples) -> dict[str, Any]:
    windows = group.windows
    entries = zip(_names(windows.owner, samples), windows.boxes.tolist(), strict=True)
    return {
        "artefact_score": float(group.score),
        "entries": [{"sample": name, "window": window} for name, window in entries],
    }


def _coverage(foreign: Foreign, samples: Samples) -> dict[str, float]:
    """Give every production sample a number that is small where it is unlike training, as p-values are."""
    names = samples.names[samples.of("production")].tolist()
    return dict(zip(names, (-np.asarray(foreign.scores, dtype=np.float64)).tolist(), strict=True))


def _names(rows: NDArray[np.int64], samples: Samples) -> list[str]:
    return [str(samples.names[row]) for row in rows]
