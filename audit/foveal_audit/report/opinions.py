"""What experts said, beside what the audit found: where they agree, where not, and what is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from foveal_audit.bundle.experts import Experts, Said
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding
from foveal_audit.bundle.summary import plural
from foveal_audit.nouns import axes_of, say
from foveal_audit.report.properties import is_property

#: Verdicts of experts that say that a feature should not be used.
UNWANTED = ("artefact", "site-specific")
_FLAGGED = ("confirmed", "suspected")
_EVENT = 12


@dataclass(frozen=True)
class Heard:
    """What experts said of one facet, gap or feature of the audit.

    Attributes
    ----------
    said
        As recorded.
    title
        What it is.
    facets
        The facets concerned; none of a gap.
    gap
        The gap, where it is one.
    remarks
        Sentences on what follows.
    """

    said: Said
    title: str
    facets: Sequence[Assessment]
    gap: GapFinding | None
    remarks: Sequence[str]


@dataclass(frozen=True)
class Words:
    """All that experts said.

    Attributes
    ----------
    line
        How many spoke about what, and whether the chain of their words held.
    heard
        What is about this audit, open and disputed subjects first.
    lost
        What was said about things that this audit does not have.
    experts
        As recorded.
    """

    line: str
    heard: Sequence[Heard]
    lost: Sequence[Said]
    experts: Experts


def words_of(findings: Findings) -> Words:
    """Set what experts said beside the findings of an audit."""
    experts = findings.experts
    heard = [_heard(findings, said) for said in experts.said if said.about]
    heard.sort(key=lambda one: (not one.remarks, one.said.about))
    lost = [said for said in experts.said if not said.about]
    return Words(_line(experts), heard, lost, experts)


def _heard(findings: Findings, said: Said) -> Heard:
    gap = next((one for one in findings.gaps if one.id == said.about), None)
    facets = [one for one in findings.assessments if said.about in (one.id, one.feature)]
    told = Heard(said, _title(said, facets, gap), facets, gap, ())
    return Heard(said, told.title, facets, gap, [remark for remark in _remarks(told) if remark])


def _title(said: Said, facets: Sequence[Assessment], gap: GapFinding | None) -> str:
    if gap is not None:
        return f"gap, {gap.gap.replace('_', ' ')}"
    if len(facets) == 1 and facets[0].id == said.about:
        whole = say("property of whole pictures", axes_of(facets[0]))
        kind = whole if is_property(facets[0]) else "facet"
        return f"{kind} {facets[0].facet} of {facets[0].feature}"
    return f"feature, {plural(len(facets), 'facet')}"


def _line(experts: Experts) -> str:
    if not experts.events:
        return "Nobody had said anything about this library when the audit was written."
    readers = {opinion.who for said in experts.said for opinion in said.opinions}
    spoke = f"{plural(len(readers), 'reader')} spoke about {plural(len(experts.said), 'subject')}"
    chain = "does not hold" if experts.problems else "holds"
    return f"{spoke}, in {plural(experts.events, 'event')}; the chain of events {chain}."


def _remarks(one: Heard) -> Iterator[str]:
    said = one.said
    if said.disagreement:
        yield "Readers disagree. As long as they do, nothing is listed for removal or to be acquired."
    if said.opened:
        yield f"{said.opened} opened it again: what was said before is set aside until it is read anew."
    yield _AGAINST[one.gap is not None](one)
    if said.awaited:
        yield f"Still to be read by {', '.join(said.awaited)}."
    if said.known in _RECOGNISED:
        yield f"It was annotated as {said.subject}, and is known again by {_RECOGNISED[said.known]}."


def _of_facet(one: Heard) -> str:
    """Say where experts and the audit part; their words change no verdict."""
    verdict, flagged = one.said.verdict, [facet.id for facet in one.facets if facet.verdict in _FLAGGED]
    named = f" ({', '.join(flagged)})" if flagged and flagged != [one.said.about] else ""
    if verdict == "genuine" and flagged:
        return (
            f"Experts call it genuine, and this audit flags it again{named}. Their word changes no "
            "measurement: if it belongs to the task, say so in the sign-off."
        )
    if verdict in UNWANTED and not flagged:
        return f"Experts call it {_MEANS[verdict]}, and this audit does not flag it: no reliance was shown."
    if verdict in UNWANTED:
        return (
            f"Experts and audit agree{named}: it is {_MEANS[verdict]}. The training samples that contain it "
            "are listed by foveal worklists, for removal or masking."
        )
    return ""


def _of_gap(one: Heard) -> str:
    if one.said.verdict == "genuine":
        return "Experts accept the gap: foveal worklists lists what to acquire."
    if one.said.verdict in UNWANTED:
        return f"Experts do not accept the gap ({one.said.verdict}), and this audit finds it again."
    return ""


_AGAINST: Mapping[bool, Callable[[Heard], str]] = {False: _of_facet, True: _of_gap}
_RECOGNISED = {"entries": "its entries", "places": "the places of its windows: the model was another one"}
_MEANS = {"artefact": "an artefact", "site-specific": "specific to a site"}


def brief(heads: Sequence[str]) -> str:
    """Write hashes of events short."""
    return ", ".join(one[:_EVENT] for one in heads)
