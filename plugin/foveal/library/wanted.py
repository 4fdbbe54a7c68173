"""Which samples somebody wants gone: those of a request, of a file, or recorded before a date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.library.schema import clean_text
from foveal.records import SOURCES, SampleRecord, Source
from foveal.samples.tile_names import whole_name

By = Literal["request-id", "sample", "before"]


class Seen(NamedTuple):
    """What a match looks at, by the names of the columns."""

    sample: str
    origin: str | None
    source: str
    time: str

    @classmethod
    def of(cls, record: SampleRecord) -> Seen:
        """Take it from a record."""
        return cls(record.sample, record.origin, record.source, record.time)


COLUMNS = Seen._fields


@dataclass(frozen=True)
class Wanted:
    """A choice of samples.

    Attributes
    ----------
    by
        ``request-id`` (all rows of a request), ``sample`` (the path as the data set gave it, or where the
        file lay; of a file that was cut, all its tiles) or ``before`` (recorded before a moment).
    value
        The id, the path or the moment.
    sources
        Only samples of these sources.
    """

    by: By
    value: str
    sources: tuple[Source, ...] = SOURCES

    def __post_init__(self) -> None:
        if not self.value:
            raise UsageError(f"The value of --{self.by} is empty", "Say which samples are meant")
        if self.by == "before":
            moment = parse_moment(self.value)
            if moment > datetime.now(timezone.utc):
                raise UsageError(f"{self.value!r} lies in the future", "Give a moment that has passed")
            object.__setattr__(self, "value", f"{moment:%Y-%m-%dT%H:%M:%SZ}")

    def takes(self, seen: Seen) -> bool:
        """Say whether a sample is meant."""
        return seen.source in self.sources and _TAKES[self.by](seen, self.value)

    def mask(self, samples: pa.Table) -> NDArray[np.bool_]:
        """Say of each row of a table with :data:`COLUMNS` whether it is meant."""
        columns = (samples[name].to_pylist() for name in COLUMNS)
        rows = map(Seen._make, zip(*columns, strict=True))
        return np.fromiter(map(self.takes, rows), bool, len(samples))

    @property
    def names(self) -> tuple[str, ...]:
        """What to look for among names of samples; empty where the time decides."""
        known = {"request-id": (self.value,), "sample": (self.value, _resolved(self.value)), "before": ()}
        return tuple(dict.fromkeys(map(clean_text, known[self.by])))


@lru_cache(maxsize=4096)
def parse_moment(text: str) -> datetime:
    """Read a date or a moment of ISO 8601; without a zone it is UTC.

    Raises
    ------
    UsageError
        If it is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{text!r} is no date", "Write it as 2026-03-01 or 2026-03-01T12:00:00Z") from None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def is_before(time: str, moment: str) -> bool:
    """Say whether a record's time lies before a moment; a time that cannot be read does not."""
    try:
        return parse_moment(time) < parse_moment(moment)
    except UsageError:
        return False


def _is_request(seen: Seen, request: str) -> bool:
    return clean_text(seen.sample) == clean_text(request)


def _is_file(seen: Seen, path: str) -> bool:
    sample, origin = clean_text(seen.sample), clean_text(seen.origin or "")
    named = clean_text(path) in (sample, whole_name(sample))
    return named or _resolved(path) in (origin, whole_name(origin))


def _is_older(seen: Seen, moment: str) -> bool:
    return is_before(seen.time, moment)


_TAKES: dict[By, Callable[[Seen, str], bool]] = {
    "request-id": _is_request,
    "sample": _is_file,
    "before": _is_older,
}


@lru_cache(maxsize=16)
def _resolved(path: str) -> str:
    """Give the absolute path as collecting writes it down."""
    return clean_text(str(Path(path).absolute()))
