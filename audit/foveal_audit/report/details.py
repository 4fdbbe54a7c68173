"""The details that were found: findings that show the same one together, with what is said of them in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from foveal.records import SOURCES
from foveal.samples.places import place
from foveal_audit.bundle.masking import Mask, mask_of
from foveal_audit.bundle.schema import ArtefactFinding, Assessment, Effect
from foveal_audit.bundle.summary import plural
from foveal_audit.nouns import axes_of, say
from foveal_audit.report import wording
from foveal_audit.report.grouping import SAME_PLACE, SAMPLES, Coincidence, coincidence, grouped, overlap
from foveal_audit.report.properties import is_property
from foveal_audit.report.sections import NUMBERS

#: Height and width of the frame that holds all windows.
Extent = tuple[int, int]
_PLANE = 4
#: A facet lies where a detail lies if this part of its listed windows does.
_THERE = 0.25

_PLACES: Mapping[tuple[int, int], str] = {
    (0, 0): "top left corner",
    (0, 1): "top edge",
    (0, 2): "top right corner",
    (1, 0): "left edge",
    (1, 1): "middle of the picture",
    (1, 2): "right edge",
    (2, 0): "bottom left corner",
    (2, 1): "bottom edge",
    (2, 2): "bottom right corner",
}
_EDITS: Mapping[Literal["removal", "paste"], str] = {
    "removal": "painting it over takes {} off",
    "paste": "putting it into other images adds {}",
}


@dataclass(frozen=True)
class Detail:
    """One detail, or one property of whole pictures, and the findings that show it.

    Attributes
    ----------
    findings
        The strongest first.
    first
        The number of the first in its section; the others follow.
    mask
        The rectangle that holds nearly all listed windows; None where there is none.
    extent
        Height and width of the frame.
    near
        What is said of it that lies where an earlier one lies; else nothing.
    spacing
        Size of one step per axis, where all its samples have the same.
    """

    findings: Sequence[ArtefactFinding]
    first: int
    mask: Mask | None
    extent: Extent
    near: str = ""
    spacing: Sequence[float] | None = None

    @property
    def verdict(self) -> str:
        """The strongest verdict."""
        return self.findings[0].verdict

    @property
    def several(self) -> bool:
        """Whether more than one finding shows it."""
        return len(self.findings) > 1

    @property
    def numbers(self) -> Sequence[str]:
        """Where each finding stands in the report, such as ``1.3``."""
        return [f"{NUMBERS['artefacts']}.{self.first + row}" for row in range(len(self.findings))]

    @property
    def span(self) -> str:
        """Where the findings stand: ``1.1`` or ``1.1 to 1.5``."""
        return " to ".join(dict.fromkeys((self.numbers[0], self.numbers[-1])))

    @property
    def title(self) -> str:
        """Say how many units found it, and with which verdicts."""
        place = f", {_place(self.mask, self.extent)}" if self.mask else ""
        units = plural(len({one.feature for one in self.findings}), "unit")
        counts = {
            name: sum(one.verdict == name for one in self.findings) for name in ("confirmed", "suspected")
        }
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"One detail{place}, found by {units} ({told})."

    @property
    def answers(self) -> str:
        """Say which answers its entries were given most often."""
        given = dict.fromkeys(wording.top_class(one) for one in self.findings if one.classes)
        named = " or ".join(f"\u201c{one}\u201d" for one in given)
        return f"Where it shows, the answer is most often {named}." if named else ""

    @property
    def lies(self) -> str:
        """Say in which rectangle it lies."""
        if self.mask is None:
            return self.say("No rectangle of twice a window's size holds nearly all of its windows.")
        return f"It lies in {self.place}."

    @property
    def place(self) -> str:
        """Say where the rectangle lies; nothing where there is none."""
        return place(self.mask.window, self.spacing) if self.mask else ""

    @property
    def seen(self) -> str:
        """Say in how many samples it was found; lists that are cut give a least number."""
        samples = {(entry.source, entry.sample) for one in self.findings for entry in one.entries}
        least = "at least " if any(cut(one) for one in self.findings) else ""
        counts = {source: sum(own == source for own, _ in samples) for source in SOURCES}
        told = ", ".join(f"{count:,} {source}" for source, count in counts.items() if count)
        return f"Seen in {least}{plural(len(samples), 'sample')} ({told or 'none is listed'})."

    def say(self, words: str) -> str:
        """Say what is written of pictures of the kind of samples that show it."""
        return say(words, axes_of(self.findings[0]))

    @property
    def effect(self) -> str:
        """Say what the experiments on all findings did; what has no measurable effect is left out."""
        said = [_edited(one, self.say(words), self.findings) for one, words in _EDITS.items()]
        text = "; ".join(one for one in said if one)
        return f"Probability of the answer: {text or 'no experiment moved it measurably'}."


def details_of(
    artefacts: Sequence[ArtefactFinding],
    extent: Extent,
    spacings: Mapping[str, Sequence[float] | None] | None = None,
) -> list[Detail]:
    """Put the findings together that show the same detail.

    Parameters
    ----------
    artefacts
        The strongest first.
    extent
        Height and width of the frame that holds all windows.
    spacings
        Size of one step per axis in the samples of each finding, by its id; by default nobody knows.
    """
    details: list[Detail] = []
    first = 1
    for rows in grouped(artefacts):
        members = [artefacts[row] for row in rows]
        spacing = _common(members, spacings or {})
        details.append(Detail(members, first, _mask(members), extent, _near(members[0], details), spacing))
        first += len(members)
    return details


def _common(
    findings: Sequence[ArtefactFinding], spacings: Mapping[str, Sequence[float] | None]
) -> Sequence[float] | None:
    """Give the size of steps that all findings have in common; None where they differ or it is unknown."""
    found = {tuple(spacings.get(one.id) or ()) for one in findings}
    return found.pop() or None if len(found) == 1 else None


def cut(assessment: Assessment) -> bool:
    """Say whether the list of entries is a random choice."""
    return sum(assessment.n_entries.values()) > len(assessment.entries)


def headline(details: Sequence[Detail], gaps: int, recorded: str) -> str:
    """Say the result in one line: the details, not the findings that show them.

    Parameters
    ----------
    recorded
        The headline of the findings, for audits without artefacts.
    """
    told = [_counted(details, verdict) for verdict in ("confirmed", "suspected")]
    said = [one for one in told if one]
    if not said:
        return recorded
    lacks = plural(gaps, "training-set gap") if gaps else "no training-set gap found"
    return f"Reliance {', '.join(said)}; {lacks}"


def elsewhere(assessment: Assessment, details: Sequence[Detail]) -> str:
    """Say of a facet without a finding that it shows, or lies at, a detail that has one; else nothing."""
    found = [
        (coincidence(assessment, one), number)
        for detail in details
        for one, number in zip(detail.findings, detail.numbers, strict=True)
    ]
    same = [(each, number) for each, number in found if each.holds]
    if same:
        return _same(assessment, *max(same, key=lambda pair: pair[0].same))
    return _near(assessment, details)


def _near(assessment: Assessment, details: Sequence[Detail]) -> str:
    return next((said for detail in details if (said := _there(assessment, detail))), "")


def _same(assessment: Assessment, found: Coincidence, number: str) -> str:
    wanted = wording.top_class(assessment)
    here = f"; here for the answer \u201c{wanted}\u201d" if wanted else ""
    lists = plural(found.shared, "sample")
    return f"Shows the same places as {number}, on {found.same} of the {lists} that both list{here}."


def _there(assessment: Assessment, detail: Detail) -> str:
    """Say how much of a facet lies in the rectangle of a detail, where that is not little."""
    if detail.mask is None or is_property(assessment):
        return ""
    listed = len(assessment.entries)
    inside = sum(overlap(one.window, detail.mask.window) >= SAME_PLACE for one in assessment.entries)
    if inside < SAMPLES or inside < _THERE * listed:
        return ""
    return f"{inside:,} of its {listed:,} listed windows lie where {detail.numbers[0]} lies."


def _mask(findings: Sequence[ArtefactFinding]) -> Mask | None:
    if any(is_property(one) for one in findings):
        return None
    return mask_of([entry.window for one in findings for entry in one.entries])


def _place(mask: Mask, extent: Extent) -> str:
    """Name the third of the picture in which the middle of a rectangle lies."""
    if len(mask.window) != _PLANE:
        return "always in one place"
    y, x = ((mask.window[axis] + mask.window[axis + 2]) / (2 * extent[axis]) for axis in (0, 1))
    return _PLACES[min(2, int(3 * y)), min(2, int(3 * x))]


def _edited(name: Literal["removal", "paste"], words: str, findings: Sequence[ArtefactFinding]) -> str:
    effects: list[Effect | None] = [getattr(one.effects, name) for one in findings]
    sizes = [one.estimate for one in effects if one is not None and one.low > 0]
    if not sizes:
        return ""
    ends = dict.fromkeys(wording.change(one) for one in (min(sizes), max(sizes)))
    some = "" if len(sizes) == len(findings) else f" (in {len(sizes)} of {len(findings)} findings)"
    return words.format(" to ".join(ends)) + some


def _counted(details: Sequence[Detail], verdict: str) -> str:
    own = [is_property(detail.findings[0]) for detail in details if detail.verdict == verdict]
    nouns = {"detail": own.count(False), "property": own.count(True)}
    said = [plural(n, noun, "properties" if noun == "property" else None) for noun, n in nouns.items() if n]
    return f"{verdict} on {' and '.join(said)}" if said else ""
