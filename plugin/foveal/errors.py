"""The errors a user may meet: each names the culprit, offers the mend and carries its exit code."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from os import PathLike


class FovealError(Exception):
    """Base of all errors that are meant for the user.

    Parameters
    ----------
    fault
        What is wrong, naming the culprit (a path, a layer, a key).
    mend
        What to do about it.
    """

    exit_code = 2

    def __init__(self, fault: str, mend: str) -> None:
        super().__init__(f"{fault}. {mend}.")
        self.fault = fault
        self.mend = mend


class UsageError(FovealError):
    """The input is wrong: a sample, a name, an option (exit code 2)."""


class EnvironmentFault(FovealError):  # noqa: N818 - a fault of the surroundings, not of the program
    """The surroundings are wrong: Java, ports, disk, a server (exit code 3)."""

    exit_code = 3


def shown(path: str | PathLike[str]) -> str:
    """Write a path so that every log and terminal takes it; bytes that are no text are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def nearest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Say which known names come nearest to a wrong one, as the mend of an error."""
    choices = list(known)
    close = get_close_matches(name, choices, n=limit, cutoff=0.4) or choices[:limit]
    return "Did you mean " + " or ".join(repr(choice) for choice in close) if close else "None is known"
