"""The register of checks: small functions that look at the surroundings and give verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias


class Status(str, Enum):
    """How a check ended."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Surroundings:
    """What is looked at.

    Attributes
    ----------
    environ
        The environment's variables.
    config
        TorchServe's config.properties, where one is given, with its settings.
    settings
        What that file holds.
    allowed
        Unsafe settings that are meant.
    tracking_uri
        MLflow's address.
    spool
        The spool.
    max_bytes
        The spool's quota for each model.
    """

    environ: Mapping[str, str]
    config: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    tracking_uri: str | None = None
    spool: Path | None = None
    max_bytes: int = 2_000_000_000


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    status
        How bad it is.
    what
        What was found.
    paste
        The line that mends it, for a shell or the file that it names; empty where all is well.
    """

    status: Status
    what: str
    paste: str = ""


def ok(what: str) -> Verdict:
    """Say that all is well."""
    return Verdict(Status.OK, what)


def skipped(what: str, paste: str = "") -> Verdict:
    """Say that it could not be looked at, or that nobody asked for it."""
    return Verdict(Status.SKIPPED, what, paste)


def warning(what: str, paste: str) -> Verdict:
    """Say that it works, but not as well as it should."""
    return Verdict(Status.WARNING, what, paste)


def failure(what: str, paste: str) -> Verdict:
    """Say that it does not work, or is not safe."""
    return Verdict(Status.FAILURE, what, paste)


Check: TypeAlias = Callable[[Surroundings], Iterable[Verdict]]


@dataclass(frozen=True)
class Answer:
    """A verdict with the name of its check and the reason for it."""

    check: str
    why: str
    verdict: Verdict


#: Reason and function of every check, by its name, in the order in which they are made.
CHECKS: dict[str, tuple[str, Check]] = {}


def check(name: str, why: str) -> Callable[[Check], Check]:
    """Register a check under a name, with what happens where it fails."""

    def register(function: Check) -> Check:
        CHECKS[name] = (why, function)
        return function

    return register


def examine(surroundings: Surroundings) -> list[Answer]:
    """Make every check; one that fails itself says so and does not stop the others."""
    return [
        Answer(name, why, verdict)
        for name, (why, function) in CHECKS.items()
        for verdict in _verdicts(function, surroundings)
    ]


def _verdicts(function: Check, surroundings: Surroundings) -> list[Verdict]:
    """Make one check."""
    try:
        return list(function(surroundings))
    except Exception as fault:  # noqa: BLE001 - a doctor who falls ill must say so
        return [failure(f"This could not be looked at ({type(fault).__name__}: {fault})", "foveal doctor -h")]
