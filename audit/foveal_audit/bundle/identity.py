"""Stable names for things: short ids, canonical JSON and the hashes made from it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

_BLOCK = 1 << 20


def make_id(kind: Literal["A", "G"], model_sha256: str, subject: str, part: int | str) -> str:
    """Name a facet (``A``) or a gap (``G``) so that every audit of the same model calls it the same.

    Parameters
    ----------
    kind
        ``A`` for an assessed facet, ``G`` for a gap.
    model_sha256
        Hash of the audited model.
    subject
        The feature, or the kind of gap.
    part
        The facet's number, or whatever tells one gap of this kind from another.

    Returns
    -------
    str
        For example ``A-1f3c9a2b``.
    """
    text = "\0".join((model_sha256, subject, str(part)))
    return f"{kind}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def canonical_json(value: object) -> str:
    """Write JSON in the one way that equal values always share: sorted keys, ASCII, finite numbers.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def sha256_json(value: object) -> str:
    """Hash a value through its canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash a file without holding it in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def six_digits(value: float) -> float:
    """Round to six significant digits: more is noise, and differs between machines."""
    return float(f"{value:.6g}")
