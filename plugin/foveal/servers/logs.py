"""Find the line of a TorchServe log that says why something failed."""

from __future__ import annotations

import re
from pathlib import Path

#: What makes a line say why: an exception's last line, or a message about a failure.
_TELLING = re.compile(
    r"\b\w+(\.\w+)*(Error|Exception|Fault)\b\s*:|Failed to (load|bind|start)|Invalid|already in use|Could not"
)
_PREFIX = re.compile(r"^\S+ \[\w+ *\] .*? (MODEL_LOG|org\.\S+) - ")


#: TorchServe's last guess after any failed import in a handler; the line before it is the true one.
_MISLEADING = "No module named 'ts.torch_handler."


def telling_line(log: Path, start: int = 0, only_after: str | None = None) -> str | None:
    """Find the last line of a log that says why something failed, without the logger's prefix.

    Parameters
    ----------
    log
        The file; it may be missing.
    start
        Bytes at its beginning that tell of earlier runs.
    only_after
        Words that a line before it must hold.
    """
    content = log.read_bytes()[start:] if log.is_file() else b""
    lines = content.decode(errors="replace").splitlines()
    if only_after is not None:
        marks = [number for number, line in enumerate(lines) if only_after in line]
        lines = lines[marks[-1] :] if marks else []
    telling = [line for line in lines if _TELLING.search(line) and _MISLEADING not in line]
    return _PREFIX.sub("", telling[-1]).strip() if telling else None
