"""Tiers, kinds and opponents in one table."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from foveal_audit.benchmarking.scoring import score_answer
from foveal_audit.benchmarking.summary import Share, against, by_gap, by_harmless, by_kind, plain, summarise
from foveal_audit.benchmarking.table import show

CORNER, MIDDLE = (0, 44, 20, 64), (22, 22, 42, 42)


@pytest.fixture
def scores(answer, facet, make_truth):
    """Tier A goes wrong: the marker ranks below the object, a clean model is flagged. Tier B goes right."""

    def made(marker, verdict="genuine"):
        return [
            facet(CORNER, lambda one: "mark 0" in one.encoded, marker, verdict),
            facet(MIDDLE, lambda one: one.outcome == 2, 0.3, "genuine", "c"),
        ]

    clean = make_truth(("object",), gaps=())
    dirty = make_truth(gaps=())
    theirs = replace(answer(made(0.1)), name="rival")
    return [
        score_answer(answer(made(0.2)), dirty, "one", "A"),
        score_answer(answer(made(0.6, "suspected")), clean, "two", "A"),
        score_answer(answer(made(0.9, "confirmed")), dirty, "three", "B"),
        score_answer(theirs, dirty, "three", "B"),
    ]


def test_the_worst_tier_comes_first(scores):
    rows = summarise(scores)
    assert [(row.subject, row.detector, row.models) for row in rows] == [
        ("tier A", "audit", 2), ("tier B", "audit", 1), ("all", "audit", 3), ("all", "rival", 1),
    ]  # fmt: skip
    worst, best, both, rival = (row.figures for row in rows)
    assert (worst["AUROC"], best["AUROC"]) == (0.0, 1.0)
    assert both["AUROC"] == pytest.approx(3 / 6)
    assert worst["clean models flagged"] == Share(1, 1)
    assert best["clean models flagged"] == Share(0, 0)
    assert (both["flagged"], both["has facet"]) == (Share(1, 2), Share(2, 2))
    assert worst["inert flagged"] == Share(1, 1)
    assert rival["AUROC"] == 0.0
    assert "flagged" not in rival


def test_kinds_are_told_apart(scores):
    (row,) = by_kind(scores)
    assert (row.subject, row.models) == ("marker", 2)
    assert row.figures["flagged"] == Share(1, 2)


def test_gaps_and_harmless_things_have_rows_of_their_own(scores, answer, make_truth):
    members = frozenset(f"s/{number}.png" for number in range(96, 120))
    found = score_answer(answer([], {"s/96.png": 0.1}, [members]), make_truth(()), "four", "A")
    lost = score_answer(answer([], {"s/96.png": 0.1}), make_truth((), control="balanced"), "five", "A")
    (row,) = by_gap([*scores, found, lost])
    assert (row.subject, row.models, row.figures) == (
        "removed",
        2,
        {"gap recall": Share(1, 2), "overlap": 0.5},
    )
    rows = {row.subject: row for row in by_harmless([*scores, found, lost])}
    assert set(rows) == {"balanced", "prior"}
    assert rows["prior"].figures == {"falsely flagged": Share(1, 5), "false groups": 0.0}


def test_opponents_are_compared_on_the_models_they_share(scores):
    assert against(scores)["rival"] == (1.0, 1.0, 1.0, 0.0)


def test_figures_are_written_with_their_intervals(scores):
    written = plain(Share(1, 4))
    assert (written["hits"], written["of"], written["share"]) == (1, 4, 0.25)
    assert 0 < written["low"] < 0.25 < written["high"] < 1
    assert plain(None) is None
    text = io.StringIO()
    show(scores, Console(file=text, width=160))
    shown = text.getvalue()
    assert shown.index("tier A (2)") < shown.index("tier B (1)")
    assert "1/1 (21%-100%)" in shown
    assert "Cases that miss: 2 of 3" in shown
    assert "two (A): flagged contribution:0, which shows inert marker" in shown
    assert "AUROC above rival: +1.00" in shown
