"""Audits that are killed in one stage after the other, until one comes through.

Run as a program, so that its processes are forked before anything has threads:
``python cut_off.py TRACKING_URI FOLDER``. It writes resumed.json (the findings), done.txt (the names of all
finished work) and kills.json (what ended each run).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import planted

from foveal.library import Library
from foveal.library.connection import quiet
from foveal_audit.auditing import audit
from foveal_audit.engine.executors import Inline
from foveal_audit.engine.running import Engine
from foveal_audit.engine.shelf import Shelf
from foveal_audit.settings import AuditSettings

#: What an audit imports on its way: imported once, every process has it.
EARLY = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.tracking", "duckdb", "onnxscript", "av")

SETTINGS = AuditSettings(pairs=8, nodes=1, generators=1, generator_steps=2)


class Deadly(Shelf):
    """A shelf at which its process dies once in every stage, its first result written and not yet put."""

    @contextmanager
    def put(self, name):
        stage = name.partition("/")[0]
        grave = self.root.parent / f"died-{stage}"
        with super().put(name) as folder:
            yield folder
            if not grave.exists():
                grave.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        with (self.root.parent / "done.txt").open("a") as log:
            log.write(f"{name}\n")


def one(uri, shelf, out):
    """Audit and write the findings."""
    quiet()
    model = planted.model()
    shelf.sweep()
    audited = audit(model, Library("planted", uri), SETTINGS, engine=Engine(model, shelf, Inline()))
    out.write_text(audited.result.findings.to_json())


def forked(run):
    """Run in a process of its own; gives the signal that ended it."""
    child = os.fork()
    if not child:
        run()
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def main(uri, folder):
    for name in EARLY:
        import_module(name)
    kills = []
    while not (folder / "resumed.json").exists() and len(kills) < 100:
        kills.append(forked(lambda: one(uri, Deadly(folder / "shelf"), folder / "resumed.json")))
    (folder / "kills.json").write_text(json.dumps(kills))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
