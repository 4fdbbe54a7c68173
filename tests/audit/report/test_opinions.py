"""What experts said, beside what the audit found."""

import pytest
from hostile_audit import HOSTILE

from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.experts import Experts, Opinion, Said
from foveal_audit.report.opinions import words_of
from foveal_audit.report.page import render_page


def opinion(verdict, who="Ann", **more):
    return Opinion(event="0" * 64, time="2026-11-01T10:00:00+00:00", who=who, verdict=verdict, **more)


@pytest.fixture
def spoken(result):
    """Let experts say something about the made-up audit; gives what the report then tells."""

    def make(*said, **more):
        told = Experts(events=len(said), heads=["ab" * 32], said=list(said), **more)
        return result.findings.model_copy(update={"experts": told})

    return make


def said(about, verdict="", **more):
    return Said(**{"subject": about, "about": about, "known": "name", "verdict": verdict, **more})


def remarks(findings):
    (one,) = words_of(findings).heard
    return list(one.remarks)


def test_what_experts_call_genuine_and_the_audit_flags_again_is_said(spoken, result):
    flagged = result.findings.artefacts[0]
    (remark,) = remarks(spoken(said(flagged.id, "genuine", opinions=[opinion("genuine")])))
    assert remark == (
        "Experts call it genuine, and this audit flags it again. Their word changes no measurement: if it "
        "belongs to the task, say so in the sign-off."
    )
    (remark,) = remarks(spoken(said(flagged.feature, "genuine")))
    assert remark.startswith(f"Experts call it genuine, and this audit flags it again ({flagged.id}). ")


def test_a_verdict_of_experts_changes_none_of_the_audit(spoken, result):
    flagged = result.findings.artefacts[0]
    told = spoken(said(flagged.id, "genuine", opinions=[opinion("genuine")]))
    assert told.findings == result.findings.findings
    assert told.assessments == result.findings.assessments
    assert told.summary == result.findings.summary


@pytest.mark.parametrize(
    ("verdict", "means"), [("artefact", "an artefact"), ("site-specific", "specific to a site")]
)
def test_where_experts_and_audit_agree_the_way_to_the_samples_is_told(spoken, result, verdict, means):
    (remark,) = remarks(spoken(said(result.findings.artefacts[0].id, verdict)))
    assert remark == (
        f"Experts and audit agree: it is {means}. The training samples that contain it are listed by "
        "foveal worklists, for removal or masking."
    )


def test_what_experts_call_an_artefact_and_the_audit_does_not_flag(spoken, result):
    others = [one for one in result.findings.assessments if one.verdict == "genuine"]
    (remark,) = remarks(spoken(said(others[0].id, "artefact")))
    assert remark == "Experts call it an artefact, and this audit does not flag it: no reliance was shown."
    assert remarks(spoken(said(others[0].id, "genuine"))) == []


def test_disagreement_opening_again_awaited_readers_and_another_name(spoken, result):
    id_ = result.findings.artefacts[0].id
    told = said(
        id_, disagreement=True, opened="Cid", awaited=["Bob", "Eve"], known="entries", subject="A-00000099"
    )
    assert remarks(spoken(told)) == [
        "Readers disagree. As long as they do, nothing is listed for removal or to be acquired.",
        "Cid opened it again: what was said before is set aside until it is read anew.",
        "Still to be read by Bob, Eve.",
        "It was annotated as A-00000099, and is known again by its entries.",
    ]


def test_gaps_are_accepted_or_not(spoken, result):
    gap = result.findings.gaps[0].id
    assert remarks(spoken(said(gap, "genuine"))) == [
        "Experts accept the gap: foveal worklists lists what to acquire."
    ]
    assert remarks(spoken(said(gap, "artefact"))) == [
        "Experts do not accept the gap (artefact), and this audit finds it again."
    ]


def test_the_line_counts_who_spoke_about_what(spoken, result):
    ids = [one.id for one in result.findings.assessments[:2]]
    told = spoken(*(said(id_, opinions=[opinion("unsure"), opinion("unsure", "Bob")]) for id_ in ids))
    assert words_of(told).line == "2 readers spoke about 2 subjects, in 2 events; the chain of events holds."
    broken = spoken(said(ids[0], opinions=[opinion("unsure")]), problems=["event x: missing"])
    assert words_of(broken).line.endswith("the chain of events does not hold.")
    assert words_of(result.findings).line == (
        "Nobody had said anything about this library when the audit was written."
    )


def test_the_report_tells_all_of_it_and_runs_nothing(spoken, result):
    flagged = result.findings.artefacts[0]
    hostile = opinion("artefact", HOSTILE, note=HOSTILE, name=HOSTILE, code=HOSTILE, confidence=0.85)
    told = spoken(
        said(flagged.id, "artefact", name=HOSTILE, code="RID1", assigned=HOSTILE, opinions=[hostile]),
        Said(subject=HOSTILE, verdict="unsure", opinions=[opinion("unsure", "Bob")]),
        problems=[HOSTILE],
    )
    html = render_page(AuditResult(told))
    section = html[html.index('<section id="opinions">') :].partition("</section>")[0]
    for words in (
        flagged.id,
        "confidence 85%",
        "RID1",
        "Said of what this audit does not have",
        "abababababab",
    ):
        assert words in section
    assert "The chain of events does not hold." in section
    assert "<img src=x" not in html
    assert "\u202e" not in html
    silent = render_page(AuditResult(result.findings))
    assert "Nobody had said anything about this library" in silent
