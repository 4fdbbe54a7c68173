"""What to do about a detail: the steps, the rectangle, the samples, and what the next audit should show."""

from __future__ import annotations

from foveal_audit.judgement.verdict import Thresholds
from foveal_audit.report import wording
from foveal_audit.report.details import Detail
from foveal_audit.report.properties import is_property


def remedies(detail: Detail, limits: Thresholds) -> list[str]:
    """Say what to do, a sentence or two for each step.

    Parameters
    ----------
    detail
        The detail, or the property of whole pictures.
    limits
        The limits that the audit recorded.
    """
    whole = is_property(detail.findings[0])
    first = detail.say(wording.PROPERTY_ACTION if whole else wording.ARTEFACT_ACTION)
    masking = [] if whole else [_masking(detail)]
    return [first, *masking, _samples(detail), _next(detail, limits)]


def _masking(detail: Detail) -> str:
    if detail.mask is None:
        each = "Mask it window by window: it keeps to no one rectangle. The lists give each window."
        return detail.say(each)
    training = detail.say("training pictures")
    return (
        f"Mask {detail.place} in the {training} of all classes alike, so that "
        f"the mask itself does not tell the class. This holds {wording.percent(detail.mask.share)} of the "
        "listed windows whole."
    )


def _samples(detail: Detail) -> str:
    ids = ", ".join(one.id for one in detail.findings)
    return (
        f"{detail.seen} findings.json names them, with their windows, under {ids}. Once an expert calls it "
        "an artefact in foveal explore, foveal worklists writes those of training to unwanted.csv."
    )


def _next(detail: Detail, limits: Thresholds) -> str:
    edit = "taking it away" if is_property(detail.findings[0]) else detail.say("painting it over")
    return (
        f"The next audit, with --previous, should no longer find it, or find that {edit} moves the answer by "
        f"less than {limits.relied:.2f}."
    )
