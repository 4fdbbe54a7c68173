"""Ends a process group when the process that started it is gone, even if that was killed.

A signal on the parent's death would reach only the group's first process (TorchServe's launcher and not its
Java), and would come when the starting thread ends. So a shell of its own waits at a pipe that the kernel
closes when its last holder ends.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

_GRACE_SECONDS = 15

#: Arguments: the group, the grace in seconds, a folder to remove. A line on its standard input lets it go.
_SCRIPT = """
read -r released && exit 0
kill -s TERM -- "-$1"
waited=0
while [ "$waited" -lt "$2" ] && kill -s 0 -- "-$1"; do
  sleep 1
  waited=$((waited + 1))
done
kill -s KILL -- "-$1"
[ -z "$3" ] || rm -rf -- "$3"
"""


class Guard:
    """Watches over a process group until it is released.

    Parameters
    ----------
    group
        Id of the group. It must not end and be forgotten without a release: its number may be given again.
    grace_seconds
        How long the group may take to end when it is asked to, before it is killed.
    scratch
        A folder that is of no use without the group, and is removed after it.
    """

    def __init__(self, group: int, grace_seconds: int = _GRACE_SECONDS, scratch: Path | None = None) -> None:
        arguments = (str(group), str(grace_seconds), str(scratch or ""))
        reading, writing = os.pipe()  # neither end is inherited by programs that are started later
        self._line = os.fdopen(writing, "wb", buffering=0)
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "foveal-guard", *arguments],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={"PATH": os.defpath},
            )
        finally:
            os.close(reading)

    def release(self) -> None:
        """Let the group go; a second time does no harm."""
        if not self._line.closed:
            with suppress(BrokenPipeError):
                self._line.write(b"released\n")
            self._line.close()
        self._shell.wait()
