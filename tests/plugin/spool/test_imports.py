"""The serving worker imports the spool: standard library and numpy, nothing else."""

from __future__ import annotations

import subprocess
import sys


def test_the_spool_imports_nothing_heavy():
    program = f"import sys; sys.path[:0] = {sys.path!r}; import foveal.spool; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    foreign = {name for name in roots if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= {"foveal", "numpy"}
