"""What the activation rules have learnt, kept over restarts: a worker may be killed at any time.

Standard library and numpy only: the serving worker imports this.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from foveal.rules import Rules

_SUFFIX = ".thresholds.npz"


class ThresholdFile:
    """A file beside the segments that holds the thresholds of one model and configuration.

    Every worker of the model writes it, the last one wins: each has seen a fair part of the same requests.

    Parameters
    ----------
    directory
        The model's spool folder.
    identity
        Names the model and configuration; part of the file's name.
    seconds
        How often it is written.
    """

    def __init__(self, directory: Path, identity: str, seconds: float = 30.0) -> None:
        self.path = directory / f"{identity}{_SUFFIX}"
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def restore(self, rules: Rules) -> bool:
        """Let rules go on where an earlier worker was; no where there is nothing fit to go on from."""
        if not self.path.is_file():  # a pipe of that name would never end
            return False
        try:
            with np.load(self.path, allow_pickle=False) as state:
                rules.restore(dict(state))
        except Exception:  # noqa: BLE001 - a damaged zip raises what it likes; starting anew is always right
            return False
        return True

    def keep(self, rules: Rules) -> None:
        """Write the file every now and then, in a thread of its own, until :meth:`close`."""
        thread = threading.Thread(target=self._work, args=(rules,), name="foveal-thresholds", daemon=True)
        thread.start()
        self._thread = thread

    def write(self, rules: Rules) -> None:
        """Write the file now, whole or not at all; without room for it things go on."""
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}-{threading.get_ident()}.part")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as out:
                arrays: dict[str, Any] = rules.state()
                np.savez(out, **arrays)
            draft.replace(self.path)
        with suppress(OSError):
            draft.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop writing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _work(self, rules: Rules) -> None:
        while not self._stopped.wait(self._seconds):
            self.write(rules)
