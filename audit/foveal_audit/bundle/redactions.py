"""``redactions.json``: what was taken out of a finished bundle because samples had to be erased.

The manifest stays as it was signed, so that the chain of audits holds. This file beside it says which files
are not what the manifest says, and why. Nobody can check what a redacted file said before; `foveal verify`
says so.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from foveal_audit.bundle.identity import canonical_json
from foveal_audit.bundle.schema import Record, Sha256, Text

REDACTIONS = "redactions.json"


class Change(Record):
    """One file: its hash before (``None``: it is new) and after (``None``: it is gone)."""

    was: Sha256 | None
    now: Sha256 | None


class Redaction(Record):
    """What one erasure took out.

    Attributes
    ----------
    erasure
        The erasure's id: its receipt is ``receipts/ID.json`` of the library's run.
    generators
        Features whose generators learned from what was erased, and are to be learned again.
    """

    erasure: Text
    when: datetime
    why: Text
    files: dict[str, Change]
    generators: tuple[Text, ...] = ()


class Redactions(Record):
    """The content of ``redactions.json``, the earliest first."""

    version: Literal[1] = 1
    redactions: tuple[Redaction, ...] = ()

    def to_json(self) -> str:
        """Write it."""
        return canonical_json(self.model_dump(mode="json"))

    def files(self) -> dict[str, str | None]:
        """Give the hash that every redacted file has now, ``None`` where it is gone."""
        return {path: change.now for one in self.redactions for path, change in one.files.items()}


def read_redactions(bundle: Path) -> Redactions:
    """Read what was redacted; nothing where there is no such file.

    Raises
    ------
    ValueError
        The file is there and was altered beyond reading.
    """
    path = bundle / REDACTIONS
    if not path.is_file():
        return Redactions()
    try:
        return Redactions.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{REDACTIONS}: cannot be read") from error
