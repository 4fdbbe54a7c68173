"""What experts know, kept beside the evidence so that every process judges by the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from foveal_audit.knowledge import Knowledge
from foveal_audit.rois import Rois

#: :meth:`foveal_audit.engine.running.Engine.keep`.
Keep = Callable[[str, Mapping[str, Any], Callable[[Path], None]], Path]

#: Names of the inputs.
ROIS, CONCEPTS = "rois", "concepts"
_FILE = "rois.json"


def keep_knowledge(keep: Keep, knowledge: Knowledge) -> dict[str, Path]:
    """Keep each part of what experts know; gives the folder of each part that there is."""
    writers = {
        ROIS: lambda folder: _write_rois(knowledge.rois, folder),
        CONCEPTS: lambda folder: _copy_exemplars(knowledge, folder),
    }
    return {
        name: keep(name, {"sha256": sha256}, writers[name]) for name, sha256 in knowledge.identity.items()
    }


def _write_rois(rois: Rois, folder: Path) -> None:
    (folder / _FILE).write_text(json.dumps({name: boxes.tolist() for name, boxes in rois.items()}))


def read_kept_rois(folder: Path) -> Rois:
    """Read regions of interest that were kept."""
    content = json.loads((folder / _FILE).read_text())
    return {name: np.array(boxes, dtype=np.int64) for name, boxes in content.items()}


def _copy_exemplars(knowledge: Knowledge, folder: Path) -> None:
    for name, path in knowledge.exemplars():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
