"""Feature libraries: each observed sample and entry of a model, in Parquet shards of an MLflow experiment."""

from __future__ import annotations

from foveal.library.feature import FeatureLibrary
from foveal.library.made import Made
from foveal.library.manifests import Added
from foveal.library.schema import node_activations, to_entries, to_samples
from foveal.library.shards import ShardConflictError
from foveal.library.store import Library, library_names

__all__ = [
    "Added",
    "FeatureLibrary",
    "Library",
    "Made",
    "ShardConflictError",
    "library_names",
    "node_activations",
    "to_entries",
    "to_samples",
]
