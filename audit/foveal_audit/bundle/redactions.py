"""``redactions.json``: what was taken out of a finished bundle because samples had to be erased.

The manifest stays as it was signed, so that the chain of audits holds. This file beside it says which files
are not what the manifest says, and why. Nobody can check what a redacted file said before; `foveal verify`
says so. ``seal`` is the hash of the rest, so that an accident to this file shows; it is no signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from foveal_audit.bundle.fields import Record, Sha256, Text
from foveal_audit.bundle.identity import canonical_json, sha256_json

REDACTIONS = "redactions.json"
_SEAL = "seal"


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
        """Write it, in its only valid form."""
        content = self.model_dump(mode="json")
        return canonical_json(content | {_SEAL: sha256_json(content)})

    def files(self) -> dict[str, str | None]:
        """Give the hash that every redacted file has now, ``None`` where it is gone."""
        return {path: change.now for one in self.redactions for path, change in one.files.items()}

    def misfits(self, files: Mapping[str, str]) -> Iterator[str]:
        """Name the files that were not as the manifest says when something was taken out of them."""
        for path in sorted(self.files()):
            changes = [one.files[path] for one in self.redactions if path in one.files]
            known = {files.get(path), *(change.now for change in changes)}
            if any(change.was not in known for change in changes):
                yield path


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
    written = path.read_bytes()
    try:
        redactions = Redactions.model_validate_json(json.dumps(_unsealed(json.loads(written))))
    except (ValidationError, ValueError) as error:
        raise ValueError(f"{REDACTIONS}: altered, it can no longer be read") from error
    if redactions.to_json().encode() != written:
        raise ValueError(f"{REDACTIONS}: altered, its seal does not fit")
    return redactions


def _unsealed(content: object) -> object:
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if key != _SEAL}
