"""What experts had said about a library when an audit was written: a part of ``findings.json``.

It is written down beside the verdicts and never changes one.
"""

# ruff: noqa: RUF012 - pydantic copies what a field begins with
from __future__ import annotations

from typing import Literal

from foveal_audit.bundle.fields import Count, Record, Sha256, Share, Text

#: As in :mod:`foveal.library.sayings`, which reading a bundle shall not have to load.
ExpertVerdict = Literal["", "genuine", "artefact", "site-specific", "unsure"]
#: How the audit knew what an annotation is about; empty where it did not.
Known = Literal["", "name", "entries", "places"]


class Opinion(Record):
    """The last word of one reader about one subject.

    Attributes
    ----------
    event
        Hash of the event, see :class:`foveal.library.annotations.Event`.
    time
        When it was said, ISO 8601 in UTC.
    second_reader
        Who is asked to read it too.
    aside
        Whether it was set aside since, as the subject was opened again.
    """

    event: Sha256
    time: Text
    who: Text
    verdict: ExpertVerdict = ""
    name: Text = ""
    code: Text = ""
    confidence: Share | None = None
    second_reader: Text = ""
    note: Text = ""
    aside: bool = False


class Said(Record):
    """What experts think of one subject.

    Attributes
    ----------
    subject
        What was annotated: a facet or gap of an audit, or a feature.
    about
        The facet, gap or feature of this audit that it is, empty where this audit has none.
    known
        How it was found again: by its ``name``; by its ``entries`` though it is named otherwise now; or,
        where another model was audited then, by the ``places`` of their windows.
    verdict
        The verdict that all readers share, empty where they differ or gave none.
    disagreement
        Whether two readers gave different verdicts.
    name, code
        What the subject was named last, and the coded term that was given last.
    assigned
        Who is to read it.
    awaited
        Readers who were asked and have given no verdict.
    opened
        Who opened it again since its last verdict, empty where nobody did.
    opinions
        The last word of each reader.
    """

    subject: Text
    about: Text = ""
    known: Known = ""
    verdict: ExpertVerdict = ""
    disagreement: bool = False
    name: Text = ""
    code: Text = ""
    assigned: Text = ""
    awaited: list[Text] = []
    opened: Text = ""
    opinions: list[Opinion] = []


class Experts(Record):
    """All that experts had said when the audit was written.

    Attributes
    ----------
    events
        Number of events that were read.
    heads
        The events that no other event had seen: together they stand for all of them, so that an event which
        is dropped later is missed.
    problems
        What was wrong with the chain of events; empty where it held.
    said
        By subject, those found again first.
    """

    events: Count = 0
    heads: list[Sha256] = []
    problems: list[Text] = []
    said: list[Said] = []
