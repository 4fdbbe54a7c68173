"""The serving worker imports the spool: standard library and numpy, nothing else."""

from __future__ import annotations

import subprocess
import sys


def imported(what):
    program = f"import sys; sys.path[:0] = {sys.path!r}; import {what}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_spool_imports_nothing_heavy():
    """Beside what the interpreter brings by itself: some distributions have a ``sitecustomize``."""
    own = imported("foveal.spool") - imported("sys")
    foreign = {name for name in own if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign == {"foveal", "numpy"}
