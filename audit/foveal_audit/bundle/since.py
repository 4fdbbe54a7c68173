"""What changed since the previous audit, as typed records: the field ``since`` of ``findings.json``."""

# ruff: noqa: RUF012 - pydantic copies what a field begins with
from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from foveal.records import Source
from foveal_audit.bundle.fields import Count, Number, Record, Sha256, Text
from foveal_audit.bundle.summary import Verdict


class Change(Record):
    """A facet or gap that is not what it was.

    Attributes
    ----------
    id
        Its id now; where it is gone, its id then.
    id_then
        Its id then, where it had another one.
    kind
        A facet, flagged or not, or a gap.
    title
        What it is in a few words.
    then, now
        Its verdict; ``None`` where it was not there, or no longer is.
    scores
        Per score that moved its value then and now.
    """

    id: Text
    id_then: Text | None = None
    kind: Literal["facet", "gap"]
    title: Text
    then: Verdict | None
    now: Verdict | None
    scores: dict[Text, tuple[Number, Number]] = {}

    @property
    def what(self) -> Literal["new", "gone", "verdict", "scores"]:
        """Say in which way it changed."""
        if self.then is None:
            return "new"
        if self.now is None:
            return "gone"
        return "scores" if self.then == self.now else "verdict"


class Before(Record):
    """What the previous audit was about.

    Attributes
    ----------
    created, fingerprint
        When it was made, and the hash of its findings.
    model, model_sha256, model_uri
        The model that it audited.
    library
        Name of its library.
    samples, entries
        How much that library held, per source.
    config_sha256, environment_sha256
        Its settings and thresholds, and the versions that computed its numbers.
    """

    created: AwareDatetime
    fingerprint: Sha256
    model: Text
    model_sha256: Sha256
    model_uri: Text
    library: Text
    samples: dict[Source, Count]
    entries: dict[Source, Count]
    config_sha256: Sha256
    environment_sha256: Sha256


class Since(Record):
    """What changed since the previous audit.

    Attributes
    ----------
    manifest
        sha256 of the previous bundle's manifest.
    before
        What it was about; ``None`` where its findings cannot be read any more.
    changes
        All facets and gaps that are not what they were: those that call for action first.
    unchanged
        How many kept their verdict and their scores.
    """

    manifest: Sha256
    before: Before | None = None
    changes: list[Change] = []
    unchanged: Count = 0
