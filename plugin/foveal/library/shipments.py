"""A segment of the spool on its way into a library: what was read of it, and the shards that it becomes."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from foveal.developing import develop
from foveal.library.made import Made
from foveal.records import Observation
from foveal.spool import SegmentReader

#: Makes the files of a shard from its records.
Make = Callable[[Iterable[Observation]], Made]


class Shipment:
    """A segment with its shards to be; nothing of it asks MLflow for anything.

    Parameters
    ----------
    path
        The segment.
    reader
        Reads it.
    make
        Makes the files of a shard.

    Attributes
    ----------
    observations
        All that could be read, as the worker recorded it.
    """

    def __init__(self, path: Path, reader: SegmentReader, make: Make) -> None:
        self.path, self.reader = path, reader
        self.observations = list(reader)
        self._make = make
        self._shards: list[tuple[str, Made]] = []
        self._fault: Exception | None = None
        try:
            self._shards = list(self._made(self.observations))
        except Exception as fault:  # noqa: BLE001 - told whoever wants these shards: one may want fewer records
            self._fault = fault

    def shards(self, observations: Sequence[Observation]) -> Iterable[tuple[str, Made]]:
        """Give the shards of some of the segment's records, and their names; those of all are made already.

        Raises
        ------
        Exception
            Whatever the making of them raises.
        """
        if len(observations) < len(self.observations):
            return self._made(observations)
        if self._fault is not None:
            raise self._fault
        return self._shards

    def _made(self, observations: Iterable[Observation]) -> Iterator[tuple[str, Made]]:
        for name, group in _shards(map(develop, observations), self.path.stem):
            yield name, self._make(group)


def file_name(*parts: str) -> str:
    """Make a name that the library takes, whatever somebody called a file in the spool."""
    name = "-".join(parts)
    clean = re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".-")[-160:].lstrip(".-")
    if clean == name:
        return name
    mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]  # different files, different names
    return f"{mark}-{clean}"


def is_takeable(observation: Observation) -> bool:
    """Tell whether a library can hold a record: a whole frame may still be of foreign making."""
    sample = observation.sample
    if not all(isinstance(text, str) for text in (sample.sample, sample.time, sample.origin or "")):
        return False
    try:
        for _, developed in _shards([develop(observation)], ""):
            Made(developed)
    except Exception:  # noqa: BLE001 - it is asked because something was raised, whatever it was
        return False
    return True


def _shards(observations: Iterable[Observation], segment: str) -> Iterator[tuple[str, list[Observation]]]:
    """Split records into shards of one source, model and configuration, each with a name of its own."""
    groups: dict[tuple[str, str, str], list[Observation]] = defaultdict(list)
    for observation in observations:
        sample = observation.sample
        groups[sample.source, sample.model_sha256[:12], sample.config_sha256[:12]].append(observation)
    for parts in sorted(groups):
        yield file_name(segment, *parts), groups[parts]
