"""Names of exported files, whatever somebody called a feature or a sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import quote

#: File systems take 255 bytes; the ending and a number must fit too.
_LONGEST = 180


def file_name(name: str) -> str:
    """Write a name so that it is one piece of a path: separators, dots in front and controls are encoded.

    Different names stay different: ``%`` is encoded too, and what is too long ends with a hash of the whole.
    """
    quoted = quote(name, safe=":", errors="backslashreplace").replace(".", "%2E")
    if len(quoted) > _LONGEST:
        return f"{quoted[:_LONGEST]}~{hashlib.sha256(quoted.encode()).hexdigest()[:16]}"
    return quoted or "%"


class Keys:
    """Names for entries, each given once.

    Parameters
    ----------
    repeated
        The ids that several entries have; all others are known to be of one, and need no book-keeping.
    """

    def __init__(self, repeated: Iterable[str]) -> None:
        self._given = dict.fromkeys(repeated, 0)

    def give(self, name: str) -> str:
        """Make a key of an entry's id; of equal ids the second one and so on get a number."""
        key = file_name(name)
        if name not in self._given:
            return key
        self._given[name] += 1
        return key if self._given[name] == 1 else f"{key}~{self._given[name]}"
