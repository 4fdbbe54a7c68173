"""Words for samples by their number of axes: sentences are written of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: What is said instead, the longer words first.
_WORDS: Mapping[int, Mapping[str, str]] = {
    1: {"Pictures": "Traces", "pictures": "traces", "picture": "trace", "pixels": "values"},
    2: {},
    3: {"Pictures": "Volumes", "pictures": "volumes", "picture": "volume", "pixels": "voxels"},
}
#: Names of classes, columns and values are theirs who gave them.
_QUOTED = re.compile(r"((?<!\w)'[^']*'(?!\w)|\"[^\"]*\")")


def worded(lines: Iterable[str], axes: int) -> list[str]:
    """Say of traces or volumes what is written of pictures, but for what stands in quotes."""
    return [_worded(line, _WORDS[axes]) for line in lines]


def _worded(line: str, words: Mapping[str, str]) -> str:
    parts = _QUOTED.split(line)
    for place in range(0, len(parts), 2):
        for word, instead in words.items():
            parts[place] = re.sub(rf"\b{word}\b", instead, parts[place])
    return "".join(parts)
