"""What an audit concluded, as typed records: the content of ``findings.json``.

Numbers are finite and carry six significant digits, so that equal inputs give equal bytes. Unknown keys
are refused everywhere except in the two free-form sections, :class:`Config` and :class:`Environment`.
"""

# ruff: noqa: RUF012 - pydantic copies what a field begins with
from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from foveal.records import Source
from foveal_audit.bundle.experts import Experts
from foveal_audit.bundle.fields import Count, Id, Number, Record, Sha256, Share, Text
from foveal_audit.bundle.identity import canonical_json, sha256_json
from foveal_audit.bundle.since import Since
from foveal_audit.bundle.summary import Verdict, count_verdicts, headline

SCHEMA_VERSION: Literal["1.0"] = "1.0"
SCHEMA_ID = "urn:foveal:findings:1.0"
SCHEMA_FILE = Path(__file__).with_name("findings.schema.json")

#: An assessment lists all entries of its facet, or a random choice of this many.
MAX_ENTRIES = 200

GapKind = Literal["uncovered_group", "under_represented", "missing_concept", "ignored_concept", "conjunction"]
Action = Literal["acquire", "augment", "relabel", "ask_expert"]

#: What differs between two runs over the same inputs, and so is no part of the fingerprint.
VOLATILE = frozenset({"created", "timings", "since"})


class Effect(Record):
    """One causal effect, beyond that of its controls.

    Attributes
    ----------
    estimate, low, high
        The effect and its 95 % interval. Removal and paste: change of the class's probability, -1 to 1;
        mediation: share of the paste effect that passes through the unit.
    controls
        The same edit with something equally large and harmless in the facet's place; near 0 when editing as
        such does no damage. ``None`` where the test has no control.
    p
        Probability of such an effect where there is none.
    pairs
        Number of edited samples behind the estimate.
    """

    estimate: Number
    low: Number
    high: Number
    controls: Number | None = None
    p: Share | None = None
    pairs: Count | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Effect:
        if self.low > self.high:
            raise ValueError(f"the interval of an effect is reversed: low {self.low}, high {self.high}")
        return self


class Effects(Record):
    """The three causal tests of a facet; one that could not be run is ``None``."""

    removal: Effect | None = None
    paste: Effect | None = None
    mediation: Effect | None = None


class Signal(Record):
    """One sign of irrelevance: its value and, where a matched null exists, the probability under it."""

    value: Number
    p: Share | None = None


class EntryRef(Record):
    """Where a piece of evidence comes from.

    Attributes
    ----------
    sample
        The path as DATA gave it, or the request id.
    window
        Half-open box in the original sample's coordinates, starts before ends (y0, x0, y1, x1).
    activation
        The unit's value for the entry.
    id
        The entry's id in the library, where it is known.
    """

    sample: Text
    window: Annotated[tuple[int, ...], Field(min_length=2, max_length=6)]
    activation: Number
    source: Source
    id: Text | None = None

    @model_validator(mode="after")
    def _half_open(self) -> EntryRef:
        axes, odd = divmod(len(self.window), 2)
        if odd or any(a >= b for a, b in zip(self.window[:axes], self.window[axes:], strict=True)):
            raise ValueError(f"window {self.window} of {self.sample!r} is not half-open (y0, x0, y1, x1)")
        return self


class Assessment(Record):
    """What the audit concluded about one facet, flagged or not.

    Attributes
    ----------
    reliance
        How strongly the model leans on the facet, 0 to 1 (causal).
    irrelevance
        How little the facet has to do with the task, 0 to 1.
    artefact_score
        Ranking score made of the two.
    q_value
        False discovery rate at which the facet would just be flagged; ``None`` where nothing was tested.
    reasons, counter_evidence
        Plain sentences: why this verdict, and what speaks against it.
    """

    id: Id
    feature: Text
    facet: Count
    n_entries: dict[Source, Count]
    reliance: Share
    irrelevance: Share
    artefact_score: Share
    q_value: Share | None
    verdict: Verdict
    effects: Effects = Effects()
    signals: dict[Text, Signal] = {}
    classes: dict[Text, Share] = {}
    entries: Annotated[list[EntryRef], Field(max_length=MAX_ENTRIES)] = []
    reasons: list[Text] = []
    counter_evidence: list[Text] = []


class ArtefactFinding(Assessment):
    """An assessment worth a person's time: reliance that is confirmed or suspected."""

    kind: Literal["artefact"] = "artefact"
    verdict: Literal["confirmed", "suspected"]


class GapFinding(Record):
    """Something production asks for and the training set does not hold.

    Attributes
    ----------
    gap
        Which kind of gap.
    statement
        One plain sentence.
    share_of_production
        Part of the production samples concerned, 0 to 1.
    samples, nearest_training
        The production samples concerned, and the training samples that come nearest to them.
    explained_by
        Metadata that goes with the group, for example ``{"scanner": "B"}``.
    p_value
        Of the group against the same search among held-out training samples.
    """

    kind: Literal["gap"] = "gap"
    id: Id
    gap: GapKind
    verdict: Literal["confirmed", "suspected", "undecidable"]
    statement: Text
    share_of_production: Share
    samples: list[Text]
    nearest_training: list[Text] = []
    explained_by: dict[Text, Text | Number] = {}
    action: Action
    feature: Text | None = None
    p_value: Share | None = None
    reasons: list[Text] = []
    counter_evidence: list[Text] = []


Finding = Annotated[ArtefactFinding | GapFinding, Field(discriminator="kind")]


class NodeRow(Record):
    """One node of the literal pipeline: node library, no contribution units, no causal test.

    Attributes
    ----------
    share
        Part of the samples in which the node counts as present, 0 to 1.
    threshold
        The activation above which it does.
    note
        What a person should know, for example that the node is dead.
    """

    feature: Text
    n_entries: Count
    share: Share
    threshold: Number | None = None
    top_class: Text | None = None
    note: Text = ""


class ModelRef(Record):
    """The audited model, as deployed."""

    name: Text
    sha256: Sha256
    labels: list[Text]
    uri: Text


class LibraryRef(Record):
    """The audited library: where it is and the hash of every shard that was read."""

    name: Text
    run_id: Text
    uri: Text
    shards: dict[Text, Sha256] = {}
    samples: dict[Source, Count] = {}
    entries: dict[Source, Count] = {}


class Config(BaseModel):
    """Settings and thresholds of the audit, free in form, and their hash."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue]
    sha256: Sha256


class Environment(BaseModel):
    """Versions of everything that computed a number, free in form, and their hash."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue]
    sha256: Sha256


class Summary(Record):
    """The verdict in one line and the counts behind it."""

    headline: Text
    facets: Count
    verdicts: dict[Verdict, Count]
    gaps: Count


class Findings(Record):
    """Everything an audit concluded: the whole of ``findings.json``. Make one with :meth:`of`."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    model: ModelRef
    library: LibraryRef
    config: Config
    environment: Environment
    seed: int
    created: AwareDatetime
    timings: dict[Text, Number] = {}
    assessments: list[Assessment]
    findings: list[Finding]
    not_examined: list[Text] = []
    node_pipeline: list[NodeRow] = []
    experts: Experts = Experts()
    summary: Summary
    since: Since | None = None

    @classmethod
    def of(
        cls,
        assessments: Iterable[Assessment],
        gaps: Iterable[GapFinding] = (),
        **fields: Any,  # noqa: ANN401 - pydantic checks
    ) -> Findings:
        """Rank the assessments, pick those to act on, and count them.

        Parameters
        ----------
        assessments
            Every facet examined, in any order.
        gaps
            Every gap found.
        fields
            The other fields; ``created`` is now where it is not given.
        """
        ranked = sorted(assessments, key=lambda a: (-a.artefact_score, a.id))
        largest_first = sorted(gaps, key=lambda g: (-g.share_of_production, g.id))
        fields.setdefault("created", datetime.now(timezone.utc).replace(microsecond=0))
        return cls(
            assessments=ranked,
            findings=[*_artefacts(ranked), *largest_first],
            summary=summarise(ranked, largest_first),
            **fields,
        )

    @model_validator(mode="after")
    def _consistent(self) -> Findings:
        ids = [a.id for a in self.assessments] + [g.id for g in self.gaps]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"ids used twice: {', '.join(twice)}")
        if self.artefacts != _artefacts(self.assessments):
            raise ValueError("the artefact findings are not the confirmed and suspected assessments")
        if self.summary != summarise(self.assessments, self.gaps):
            raise ValueError("the summary does not count the assessments and gaps")
        return self

    @property
    def artefacts(self) -> list[ArtefactFinding]:
        """The findings that are artefacts, confirmed first, then by score."""
        return [one for one in self.findings if isinstance(one, ArtefactFinding)]

    @property
    def gaps(self) -> list[GapFinding]:
        """The findings that are gaps, the largest share of production first."""
        return [one for one in self.findings if isinstance(one, GapFinding)]

    @property
    def fingerprint(self) -> str:
        """Hash of all that equal inputs must reproduce: everything but date, timings and ``since``."""
        # Where nobody had said anything it is as in bundles that knew of no experts.
        silent = {"experts"} if self.experts == Experts() else set()
        return sha256_json(self.model_dump(mode="json", exclude={*VOLATILE, *silent}))

    def to_json(self) -> str:
        """Write ``findings.json``: sorted keys, the same bytes for the same content."""
        return canonical_json(self.model_dump(mode="json"))


def summarise(assessments: Sequence[Assessment], gaps: Sequence[GapFinding]) -> Summary:
    """Count verdicts and say the result in one line."""
    verdicts = count_verdicts(a.verdict for a in assessments)
    return Summary(
        headline=headline(verdicts, len(gaps)), facets=len(assessments), verdicts=verdicts, gaps=len(gaps)
    )


def json_schema() -> dict[str, Any]:
    """Describe ``findings.json`` as JSON Schema (draft 2020-12), from the records above."""
    schema = Findings.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID} | schema


def publish_schema(path: Path = SCHEMA_FILE) -> None:
    """Write the JSON Schema that the package publishes."""
    path.write_text(canonical_json(json_schema()))


def _artefacts(assessments: Iterable[Assessment]) -> list[ArtefactFinding]:
    flagged = [a for a in assessments if a.verdict in ("confirmed", "suspected")]
    flagged.sort(key=lambda a: a.verdict != "confirmed")  # stable: the ranking holds within each verdict
    return [ArtefactFinding.model_validate(a.model_dump()) for a in flagged]
