"""The alarm of one model's spool: kept in a small file, so that it goes on where a shipper ended."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foveal.alarm.betting import Alarm, alarm_from_json, observe, start_alarm
from foveal.alarm.likeness import Reference
from foveal.alarm.training import fingerprint, read_training, shards_of
from foveal.errors import UsageError
from foveal.library import Library
from foveal.library.artifacts import write_whole
from foveal.library.shipments import file_name
from foveal.records import Observation, SampleRecord

_log = logging.getLogger(__name__)

#: Highest probability of ever a false alarm.
ALPHA = 0.01
#: How often it is looked whether training has changed, and whether what failed works again.
_LOOK_SECONDS = 600.0
_VERSION = 1


@dataclass(frozen=True)
class _Watched:
    """What the stream of one model version is held against, and how its alarm stands.

    Attributes
    ----------
    training
        Name of the training samples.
    last
        Name of the segment that was observed last: it may come again, where a shipper died after it.
    """

    training: str
    reference: Reference
    alarm: Alarm
    last: str

    def to_json(self) -> bytes:
        """Write down all but the reference, which the library holds."""
        content = {"version": _VERSION, "training": self.training, "last": self.last}
        return json.dumps({**content, "alarm": self.alarm.to_json()}).encode()


class StreamAlarm:
    """Observes what is shipped of one folder; no fault of it stops a shipper.

    Parameters
    ----------
    folder
        Where the state is kept, ``alarm-MODEL.json`` for each version of the model.
    library
        Holds the training samples.
    """

    def __init__(self, folder: Path, library: Library) -> None:
        self._folder, self._library = folder, library
        self._watched: dict[str, _Watched] = {}
        self._due: dict[str, float] = {}

    def observe(self, segment: str, observations: Sequence[Observation]) -> Alarm | None:
        """Take in the production samples of a segment that was shipped, once however often it comes.

        Parameters
        ----------
        segment
            Its name.
        observations
            What it held, in the order in which it was served.

        Returns
        -------
        The alarm of the version of the model that the last sample was served by; None where there is no
        ground for one.
        """
        try:
            return self._observe_all(segment, observations)
        except Exception as fault:  # noqa: BLE001 - an alarm is no reason to ship nothing
            self._watched.clear()
            _log.warning("The alarm on production of %s failed (%s)", self._library.name, fault)
        return None

    def _observe_all(self, segment: str, observations: Sequence[Observation]) -> Alarm | None:
        samples = [one.sample for one in observations if one.sample.source == "production"]
        alarm = None
        for model in dict.fromkeys(sample.model_sha256 for sample in samples):
            own = [sample for sample in samples if sample.model_sha256 == model]
            alarm = self._observe(model, segment, own)
        return alarm

    def _observe(self, model: str, segment: str, samples: Sequence[SampleRecord]) -> Alarm | None:
        watched = self._current(model)
        if watched is None:
            return None
        if watched.last != segment:
            alarm = observe(watched.alarm, watched.reference.of_stream(samples).tolist())
            watched = _Watched(watched.training, watched.reference, alarm, segment)
            write_whole(self._path(model), watched.to_json())
            self._watched[model] = watched
        return watched.alarm

    def _current(self, model: str) -> _Watched | None:
        """Give what is held against what, looking for other training samples now and then."""
        if time.monotonic() >= self._due.get(model, 0.0):
            self._due[model] = time.monotonic() + _LOOK_SECONDS
            self._look(model)
        return self._watched.get(model)

    def _look(self, model: str) -> None:
        """Read training anew where it is not what it was."""
        shards = shards_of(self._library, model)
        name, known = fingerprint(shards), self._watched.get(model)
        if known is not None and known.training == name:
            return
        self._watched.pop(model, None)
        training = read_training(self._library, shards)
        if training is not None:
            alarm, last = self._kept(model, name) or (start_alarm(training.held_out, alpha=ALPHA), "")
            self._watched[model] = _Watched(name, training.reference, alarm, last)

    def _kept(self, model: str, training: str) -> tuple[Alarm, str] | None:
        """Read the state of an earlier shipper, if it was held against the same training samples."""
        with suppress(OSError, ValueError, KeyError, TypeError, UsageError):
            content = json.loads(self._path(model).read_bytes())
            if (content["version"], content["training"]) == (_VERSION, training):
                return alarm_from_json(content["alarm"]), str(content["last"])
        return None

    def _path(self, model: str) -> Path:
        return self._folder / f"{file_name('alarm', model[:12])}.json"
