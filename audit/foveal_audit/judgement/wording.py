"""Recorded lines by the number of axes: they are written of pictures and hold names already."""

from __future__ import annotations

import re
from collections.abc import Iterable

from foveal_audit.nouns import say

#: Names of classes, columns and values are theirs who gave them.
_QUOTED = re.compile(r"((?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|\u201c[^\u201d]*\u201d)")


def worded(lines: Iterable[str], axes: int) -> list[str]:
    """Say of recordings or scans what is written of pictures, but for what stands in quotes."""
    return [_worded(line, axes) for line in lines]


def _worded(line: str, axes: int) -> str:
    parts = _QUOTED.split(line)
    return "".join(part if place % 2 else say(part, axes) for place, part in enumerate(parts))
