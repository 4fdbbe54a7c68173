"""What experts know before an audit: regions of interest, and exemplars of concepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from foveal_audit.bundle.identity import sha256_file, sha256_json
from foveal_audit.rois import Rois


@dataclass(frozen=True)
class Knowledge:
    """What experts know; nothing of it is needed, all of it makes an audit surer.

    Attributes
    ----------
    rois
        Where in samples the outcome lies.
    concepts
        Folder with a folder of exemplars per known concept, or None.
    """

    rois: Rois = field(default_factory=dict)
    concepts: Path | None = None

    @property
    def identity(self) -> dict[str, str]:
        """Hash of each part that there is: audits that know the same are the same."""
        known = {}
        if self.rois:
            known["rois"] = sha256_json({name: boxes.tolist() for name, boxes in self.rois.items()})
        if self.concepts is not None:
            known["concepts"] = sha256_json({str(name): sha256_file(path) for name, path in self.exemplars()})
        return known

    def exemplars(self) -> Iterator[tuple[Path, Path]]:
        """Give every file of the concepts, by its name in their folder, in order."""
        if self.concepts is not None:
            for path in sorted(self.concepts.rglob("*")):
                if path.is_file():
                    yield path.relative_to(self.concepts), path


NOTHING = Knowledge()
