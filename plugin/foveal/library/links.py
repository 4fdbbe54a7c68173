"""What MLflow shows beside a library: the models it knows, and the library as a data set of its run."""

from __future__ import annotations

import hashlib
import json

from foveal.library.tracking import Tracking

_TAG = "foveal.model_sha256"
_SOURCE_TYPE = "foveal_library"


class Links:
    """The links of one library's run.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._known: set[str] = set()

    def model(self, sha256: str) -> None:
        """Put on record that the library holds samples of a model; only the first time costs anything."""
        if sha256 in self._known:
            return
        linked = set(json.loads(self._tracking.tags().get(_TAG, "[]")))
        if sha256 not in linked:
            self._tracking.log_dataset(*self._dataset(sha256))
            self._tracking.tag(_TAG, json.dumps(sorted({*linked, sha256})))
        self._known |= linked | {sha256}

    def _dataset(self, sha256: str) -> tuple[str, str, str, str]:
        """Give name, digest, source type and source: what the library is, not what it holds just now."""
        name = self._tracking.name
        digest = hashlib.sha256(f"{self._tracking.run().info.run_id}\0{sha256}".encode()).hexdigest()[:32]
        return name, digest, _SOURCE_TYPE, json.dumps({"library": name})
