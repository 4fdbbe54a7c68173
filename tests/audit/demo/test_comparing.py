"""Made-up findings held against made-up truth."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import (
    Assessment,
    Config,
    EntryRef,
    Environment,
    Findings,
    GapFinding,
    LibraryRef,
    ModelRef,
)
from foveal_audit.demo.comparing import compare, lies_on, said, table
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.traces import ECG
from foveal_audit.studies.nodules import Nodule
from foveal_audit.studies.traces import Recording

MARK, DECOY, NODULE, NOWHERE = (5, 65, 35, 95), (74, 4, 96, 28), (30, 30, 62, 62), (0, 0, 20, 20)
PIXELS = np.zeros((96, 96, 1), np.uint8)
TRUTH = {f"b{n}": Nodule(PIXELS, 3, "B", False, (46.0, 46.0)) for n in range(4)}
TRUTH |= {f"c{n}": Nodule(PIXELS, 0, "C", False, None) for n in range(4)}
TRUTH |= {f"q{n}": Nodule(PIXELS, 1, "A", True, (46.0, 46.0)) for n in range(10)}


def assessment(number, score, verdict, *shown):
    return Assessment(
        id=make_id("A", "f" * 64, "contribution", number),
        feature=f"contribution:{number}",
        facet=0,
        n_entries={"training": 4},
        reliance=0.5,
        irrelevance=0.5,
        artefact_score=score,
        q_value=0.01,
        verdict=verdict,
        entries=[EntryRef(sample=name, window=box, activation=1, source="training") for name, box in shown],
    )


def gap(samples):
    return GapFinding(
        id=make_id("G", "f" * 64, "uncovered_group", samples[0]),
        gap="uncovered_group",
        verdict="suspected",
        statement="",
        share_of_production=0.1,
        samples=samples,
        action="acquire",
    )


def findings(assessments, gaps=()):
    sha = "0" * 64
    return Findings.of(
        assessments,
        gaps,
        model=ModelRef(name="m", sha256=sha, labels=[], uri="m"),
        library=LibraryRef(name="m", run_id="r", uri="u"),
        config=Config(sha256=sha),
        environment=Environment(sha256=sha),
        seed=0,
    )


MARKED = [("b0", MARK), ("b1", MARK), ("b2", NODULE)]
MARK_FACET = assessment(0, 0.9, "suspected", *MARKED)
DECOY_FACET = assessment(1, 0.3, "not_relied_on", ("c0", DECOY), ("c1", DECOY))
NODULE_FACET = assessment(2, 0.1, "genuine", ("b0", NODULE), ("b1", NODULE), ("unknown", MARK))


def test_facets_are_known_by_what_most_entries_show():
    found = compare(findings([NODULE_FACET, DECOY_FACET, MARK_FACET]), TRUTH, PICTURE)
    assert [one.id for one in found.marker] == [MARK_FACET.id]
    assert [one.id for one in found.decoy] == [DECOY_FACET.id]
    assert [one.id for one in found.genuine] == [NODULE_FACET.id]
    assert (found.marker_rank, found.marker_found, found.false_alarms) == (1, True, [])


@pytest.mark.parametrize(
    "facet",
    [
        assessment(3, 0.9, "suspected", ("c0", MARK), ("c1", MARK)),  # the place without the mark
        assessment(3, 0.9, "suspected", ("b0", NOWHERE), ("b1", MARK)),  # half is not most
        assessment(3, 0.9, "suspected"),
        assessment(3, 0.9, "suspected", ("unknown", MARK)),
    ],
)
def test_what_shows_no_mark_is_a_false_alarm(facet):
    found = compare(findings([facet]), TRUTH, PICTURE)
    assert (found.marker, found.marker_rank, found.marker_found) == ([], None, False)
    assert [one.id for one in found.false_alarms] == [facet.id]


@pytest.mark.parametrize(
    ("mark", "other", "rank", "found"),
    [
        (("suspected", 0.9), 0.5, 1, True),
        (("suspected", 0.4), 0.5, 2, False),
        (("undecidable", 0.9), 0.5, 1, False),
    ],
)
def test_the_mark_is_found_where_it_is_flagged_and_first(mark, other, rank, found):
    facets = [assessment(0, mark[1], mark[0], *MARKED), assessment(2, other, "genuine", ("b0", NODULE))]
    compared = compare(findings(facets), TRUTH, PICTURE)
    assert (compared.marker_rank, compared.marker_found) == (rank, found)


def test_the_gap_with_most_calcified_samples_counts():
    small, large = gap(["q0", "q1"]), gap(["q2", "q3", "q4", "q5", "b0"])
    found = compare(findings([], [small, large]), TRUTH, PICTURE)
    assert (found.gap, found.gap_covers, found.gap_others) == (large.id, 0.4, pytest.approx(0.2))
    none = compare(findings([], [gap(["b0"])]), TRUTH, PICTURE)
    assert (none.gap, none.gap_covers, none.gap_others) == (None, 0, 0)
    assert compare(findings([], [small]), {}, PICTURE).gap is None


def test_planted_and_found_side_by_side():
    facets = [MARK_FACET, DECOY_FACET, NODULE_FACET]
    stated = gap([f"q{n}" for n in range(5)])
    assert table(compare(findings(facets, [stated]), TRUTH, PICTURE), "standard", PICTURE.words) == [
        (
            "marker + ruler at site B, goes with 'spiculated'",
            "suspected, rank 1, score 0.90 (contribution:0)",
        ),
        ("harmless mark at site C", "not flagged (1 facets)"),
        ("genuine nodules", "not flagged (1 facets)"),
        ("calcified nodules, in production only", f"gap {stated.id}: 50% of them, 0% others"),
        ("false alarms", "none"),
    ]


def test_a_table_of_nothing_found():
    flagged = assessment(1, 0.3, "confirmed", ("c0", DECOY))
    assert [
        found for _, found in table(compare(findings([flagged]), TRUTH, PICTURE), "null", PICTURE.words)
    ] == [
        "no facet shows it",
        "FLAGGED: contribution:1",
        "no facet shows them",
        "no gap finding",
        "contribution:1",
    ]


@pytest.mark.parametrize(
    ("window", "mark", "on"),
    [
        ((0, 40), (12, 32), True),
        ((0, 40), (30, 50), True),  # half of the mark
        ((0, 40), (31, 51), False),
        ((14, 18), (12, 32), True),  # a window inside a larger mark
        ((0, 0, 8, 8), (4, 0, 12, 8), True),
        ((0, 0, 8, 8), (4, 5, 12, 13), False),  # along one axis enough, along the other too little
        ((1, 1, 1, 8, 8, 8), (1, 1, 1, 8, 8, 8), True),
        ((0, 40), (60, 80), False),
        ((0, 40), None, False),
    ],
)
def test_windows_that_lie_on_a_mark(window, mark, on):
    assert lies_on(window, mark) is on


def recording(mark, unknown=False):
    return Recording(np.zeros((400, 1), np.float32), 1, "B", mark, unknown)


TRACES = {f"m{n}": recording((12, 32)) for n in range(4)} | {"u": recording(None, unknown=True)}
PULSE_FACET = assessment(0, 0.9, "suspected", ("m0", (0, 40)), ("m1", (10, 50)), ("m2", (100, 140)))
BEATS = assessment(1, 0.3, "genuine", ("m0", (100, 140)), ("u", (0, 40)))


def told(found, study="standard"):
    return said(compare(found, TRACES, ECG), study, ECG.words)


def test_facets_of_traces_are_known_by_their_place():
    compared = compare(findings([PULSE_FACET, BEATS]), TRACES, ECG)
    assert [one.id for one in compared.marker] == [PULSE_FACET.id]
    assert [one.id for one in compared.genuine] == [BEATS.id]
    assert table(compared, "standard", ECG.words)[0][0] == "calibration pulse of recorder B, goes with 'wide'"
    assert len(table(compared, "standard", ECG.words)) == 4  # there is no harmless mark


def test_what_was_found_and_missed_is_said():
    stated = gap(["u"])
    assert told(findings([PULSE_FACET, BEATS], [stated])) == (
        "The calibration pulse: found. The split wide beats: found."
    )
    open_ = PULSE_FACET.model_copy(update={"verdict": "undecidable"})
    second = assessment(3, 0.5, "suspected", ("m0", (0, 40)))
    assert told(findings([open_, BEATS], [gap(["u", "m0"])])) == (
        "The calibration pulse: MISSED (seen, called undecidable). "
        "The split wide beats: found in part (100% of them, 50% of the group others)."
    )
    assert told(findings([open_, second])) == (
        "The calibration pulse: found in part (contribution:3 is flagged, but something else ranks first). "
        "The split wide beats: MISSED."
    )
    assert told(findings([BEATS])) == (
        "The calibration pulse: MISSED (not seen). The split wide beats: MISSED."
    )


def test_a_mark_that_tells_nothing_may_not_be_flagged():
    assert told(findings([BEATS]), "null").startswith("The calibration pulse: not flagged, rightly.")
    assert told(findings([PULSE_FACET]), "null").startswith(
        "The calibration pulse: FLAGGED although it tells nothing (contribution:0)."
    )
    assert said(compare(findings([]), {}, PICTURE), "standard", PICTURE.words) == ""
