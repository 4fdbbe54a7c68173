"""Who holds a file's lock, without touching the lock: asking for it could get in a starting shipper's way."""

from __future__ import annotations

import re
from pathlib import Path

_TABLE = Path("/proc/locks")
_LINE = re.compile(r"\d+: FLOCK +\w+ +WRITE (-?\d+) [0-9a-f]+:[0-9a-f]+:(\d+) ")


def lock_holder(path: Path, table: Path = _TABLE) -> int | None:
    """Give the id of the process that holds a file's lock.

    Returns
    -------
    int or None
        The process; 0 where it is not one of this container's. None where nobody holds it.

    Raises
    ------
    OSError
        When the file, or the kernel's table of locks, cannot be read.
    """
    inode = str(path.stat().st_ino)
    for line in table.read_text().splitlines():
        found = _LINE.match(line)
        if found and found[2] == inode:
            return max(int(found[1]), 0)
    return None
