"""What an archive carries beside an ONNX file: where it is cut, and the pieces that gradients take back.

A small zip file, made at the desk. The worker reads it with onnxruntime alone.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from foveal.errors import UsageError
from foveal.onnx_graphs.parts import PartSpec

if TYPE_CHECKING:
    from foveal.onnx_graphs.cutting import Cutter

#: Its name in an archive.
CARRIED = "foveal_parts.zip"
_TABLE = "parts.json"


@dataclass(frozen=True)
class Carried:
    """Pieces that lie ready; see :class:`foveal.onnx_graphs.chaining.Pieces`.

    Attributes
    ----------
    parts
        The tensors that are looked at, in the network's order; the last is the scores.
    pinned
        The layers that were chosen at the desk: ``layer`` and ``nodes``.
    batch
        How many samples the file takes at a time; None for any number.
    model_sha256
        Of the ONNX file that all this is about.
    backs
        The ways back, by start and end.
    fields
        Of a segmentation network, the receptive fields of its layers' positions; see
        :class:`foveal.capture.parted.Parted`.
    """

    parts: tuple[PartSpec, ...]
    pinned: Mapping[str, str]
    batch: int | None
    model_sha256: str
    backs: Mapping[tuple[str, str], bytes]
    fields: Sequence[Mapping[str, Any]] = ()

    def forth(self, start: str, ends: tuple[str, ...]) -> bytes:
        """Refuse: nothing in a worker changes what a layer gives."""
        raise UsageError(
            f"The archive carries no way from {start!r} on to {ends[0]!r}",
            "Ask the model itself, at the desk",
        )

    def back(self, start: str, end: str) -> bytes:
        """Give the piece that takes gradients back.

        Raises
        ------
        UsageError
            If none is carried.
        """
        if (start, end) not in self.backs:
            raise UsageError(
                f"The archive carries no way from {end!r} back to {start!r}",
                "Pack it again, or choose a layer that it was packed for",
            )
        return self.backs[start, end]

    def to_bytes(self) -> bytes:
        """Write the zip file; equal ones have equal bytes."""
        table = {
            "parts": [one.to_mapping() for one in self.parts],
            "pinned": dict(self.pinned),
            "batch": self.batch,
            "model_sha256": self.model_sha256,
            "backs": [list(ends) for ends in self.backs],
            "fields": list(self.fields),
        }
        target = io.BytesIO()
        with ZipFile(target, "w") as content:
            content.writestr(ZipInfo(_TABLE), json.dumps(table, sort_keys=True))
            for number, piece in enumerate(self.backs.values()):
                content.writestr(ZipInfo(f"{number}.onnx"), piece)
        return target.getvalue()

    @classmethod
    def read(cls, path: Path) -> Carried:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        UsageError
            If it is missing or damaged.
        """
        try:
            with ZipFile(path) as content:
                table = json.loads(content.read(_TABLE))
                backs = {
                    (start, end): content.read(f"{number}.onnx")
                    for number, (start, end) in enumerate(table["backs"])
                }
            parts = tuple(map(PartSpec.from_mapping, table["parts"]))
            fields = tuple(table.get("fields", ()))  # older archives have none
            return cls(parts, table["pinned"], table["batch"], table["model_sha256"], backs, fields)
        except (OSError, BadZipFile, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"The archive's {CARRIED} is missing or damaged", "Pack the archive again"
            ) from error


def carry(
    cutter: Cutter,
    names: Sequence[str],
    pinned: Mapping[str, str],
    model_sha256: str,
    fields: Sequence[Mapping[str, Any]] = (),
) -> Carried:
    """Cut what a worker needs that looks at some layers.

    Parameters
    ----------
    cutter
        The network.
    names
        The layers that are looked at, in any order.
    pinned, model_sha256, fields
        As in :class:`Carried`.
    """
    scores = cutter.parts[-1]
    parts = [one for one in cutter.parts if one.name in names and one != scores] + [scores]
    ways = pairwise([one.tensor for one in parts])
    backs = {(start, end): cutter.back(start, end) for start, end in ways}
    return Carried(tuple(parts), pinned, cutter.batch, model_sha256, backs, fields)
