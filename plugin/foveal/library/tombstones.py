"""What must not come back: the samples that were erased, so that an old segment does not bring them again.

A tombstone is an artifact whose name says everything, ``tombstones/sample-<digest>.json`` or
``tombstones/before-<moment>-<sources>.json``: writing it may be cut off and done again. The digest is an HMAC
of the sample's name under a key of the library's own, kept with its run. A plain hash would do for request
ids, which nobody guesses, and not for paths: whoever got hold of a receipt or of the list could try all
likely names. With the key kept apart the list gives nothing away on its own.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import cached_property

from foveal.library.schema import clean_text
from foveal.library.tracking import Tracking
from foveal.library.wanted import Wanted, is_before
from foveal.records import SOURCES, Observation, SampleRecord, Source

FOLDER = "tombstones"
KEY_TAG = "foveal.erasure_key"
_SAMPLE = re.compile(r"sample-([0-9a-f]{64})\.json")
_BEFORE = re.compile(r"before-(\d{8}T\d{6}Z)-([a-z_]+)\.json")
_MOMENT = "%Y%m%dT%H%M%SZ"


class Tombstones:
    """The list of one library.

    Parameters
    ----------
    tracking
        The library's run.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def add(self, wanted: Wanted) -> None:
        """Put up tombstones for what is wanted gone; a later date takes the place of earlier ones."""
        present = set(self._names())
        for file in sorted({self._file(name) for name in wanted.names} | _before(wanted)):
            if file not in present:
                self._tracking.put(f"{FOLDER}/{file}", json.dumps({"version": 1}).encode())
        for file in sorted(present):
            if wanted.by == "before" and _is_covered(file, wanted):
                self._tracking.delete(f"{FOLDER}/{file}")

    def spared(self, observations: Iterable[Observation]) -> list[Observation]:
        """Leave out what was erased.

        Parameters
        ----------
        observations
            As read from a segment.

        Returns
        -------
        list of Observation
            The others, in their order.
        """
        listed = self._names() if self._tracking.find() is not None else []
        digests = {found[1] for found in map(_SAMPLE.fullmatch, listed) if found}
        moments = [_rule(found) for found in map(_BEFORE.fullmatch, listed) if found]
        rules = [Wanted("before", moment, sources) for moment, sources in moments]
        return [one for one in observations if not self._is_erased(one.sample, digests, rules)]

    def digest(self, name: str) -> str:
        """Give the keyed hash of a sample's name."""
        return hmac.digest(self._key, clean_text(name).encode(), "sha256").hex()

    def _is_erased(self, sample: SampleRecord, digests: set[str], rules: Sequence[Wanted]) -> bool:
        if any(sample.source in rule.sources and is_before(sample.time, rule.value) for rule in rules):
            return True
        names = (sample.sample, *([sample.origin] if sample.origin else []))
        return bool(digests) and any(self.digest(name) in digests for name in names)

    def _names(self) -> list[str]:
        return self._tracking.names_in(FOLDER)

    def _file(self, name: str) -> str:
        return f"sample-{self.digest(name)}.json"

    @cached_property
    def _key(self) -> bytes:
        """Give the library's key; the first erasure makes it."""
        if KEY_TAG not in self._tracking.tags():
            self._tracking.tag(KEY_TAG, secrets.token_hex(32))
        return bytes.fromhex(self._tracking.tags()[KEY_TAG])


def _before(wanted: Wanted) -> set[str]:
    if wanted.by != "before":
        return set()
    moment = datetime.strptime(wanted.value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return {f"before-{moment:{_MOMENT}}-{'_'.join(s for s in SOURCES if s in wanted.sources)}.json"}


def _is_covered(file: str, wanted: Wanted) -> bool:
    """Say whether a tombstone means nothing that is not wanted gone anyway; not of the tombstone for it."""
    found = _BEFORE.fullmatch(file)
    if found is None or file in _before(wanted):
        return False
    moment, sources = _rule(found)
    return set(sources) <= set(wanted.sources) and is_before(moment, wanted.value)


def _rule(found: re.Match[str]) -> tuple[str, tuple[Source, ...]]:
    moment = datetime.strptime(found[1], _MOMENT).replace(tzinfo=timezone.utc)
    return moment.isoformat(), tuple(source for source in SOURCES if source in found[2].split("_"))
