"""Addresses of results: what goes into a piece of work, the code and the versions, in one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import foveal
import foveal_audit
from foveal_audit.bundle.identity import sha256_json
from foveal_audit.provenance import environment_record

#: Rooms whose code changes no number of an audit.
_BESIDE = ("benchmarking", "commands", "comparing", "demo", "evaluating", "opponents", "planting", "report")


@cache
def code_sha256() -> str:
    """Hash the code that computes, and the versions of the packages that it computes with."""
    digest = hashlib.sha256(environment_record().sha256.encode())
    for path in _files():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for package in (foveal, foveal_audit):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            if path.relative_to(root).parts[0] not in _BESIDE:
                yield path


def address(content: Any) -> str:  # noqa: ANN401 - any JSON
    """Give the address of what is computed from this content by this code."""
    return sha256_json([content, code_sha256()])[:32]
