"""The first stage: what the library holds about the model, from its shards into columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from foveal import Library
from foveal.archives import AuditedModel
from foveal.features import CONTRIBUTION
from foveal_audit.engine.columns import feature_folder, write_features, write_samples, write_windows
from foveal_audit.examining import chosen_features, is_wanted, rank_nodes, require_recorded
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import EvidenceReader, Windows

Progress = Callable[[str, int, int], None]
_WHAT = "reading the library"


def reading_settings(library: Library, model: AuditedModel, settings: AuditSettings) -> dict[str, Any]:
    """Say what the evidence depends on: the shards, by hashes of all they hold, and which nodes count."""
    shards = [shard for shard in library.shards() if shard["model_sha256"] == model.sha256]
    return {
        "library": library.name,
        "shards": {shard["name"]: [shard["sha256"], shard["files"]] for shard in shards},
        "nodes": settings.nodes,
        "features": list(settings.features),
    }


def write_evidence(
    library: Library, model_sha256: str, settings: AuditSettings, folder: Path, progress: Progress
) -> None:
    """Write samples and windows, one feature at a time; crops only of the features that are examined.

    Raises
    ------
    UsageError
        As :func:`foveal_audit.windows.read_evidence`, and where the settings name features of a layer that
        was not recorded.
    """
    reader = EvidenceReader(library, model_sha256)
    require_recorded(settings.features, reader.counts, reader.activations)
    write_samples(reader.samples, reader.activations, folder)
    light = reader.all_windows(heavy=False)
    examined = _examined(reader, light, settings)
    write_features(reader.counts, examined, reader.left_out, folder)
    tally = _Tally(sum(reader.counts.values()), progress)
    for name in {CONTRIBUTION: 0} | reader.counts:
        pieces = reader.pieces(name) if name in examined or name not in light else iter([light[name]])
        write_windows(tally.counted(pieces), feature_folder(folder, name))
    progress(_WHAT, tally.total, tally.total)


def _examined(reader: EvidenceReader, windows: Mapping[str, Windows], settings: AuditSettings) -> list[str]:
    """Choose what is examined: nodes by how much their libraries differ, which no crop is needed for."""
    nodes = (name for name in reader.counts if name != CONTRIBUTION)
    libraries = {name: windows[name] for name in nodes if is_wanted(name, settings.features)}
    order = rank_nodes(libraries, reader.samples, settings.nodes)
    return chosen_features(reader.counts, settings, order=order)[0]


class _Tally:
    """Tells how much was read."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total, self._done, self._progress = total, 0, progress
        progress(_WHAT, 0, total)

    def counted(self, pieces: Iterator[Windows]) -> Iterator[Windows]:
        for piece in pieces:
            yield piece
            self._done += len(piece)
            self._progress(_WHAT, self._done, self.total)
