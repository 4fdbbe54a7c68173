"""Weights fitted anew without a kind of artefact, and what verdicts follow from them."""

import json
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import trace_plants
import volume_plants
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.benchmarking import fitting, unseen
from foveal_audit.benchmarking.answers import Facet
from foveal_audit.benchmarking.fitting import (
    SIGNS,
    Row,
    fit,
    read_rows,
    refitted,
    shipped_rows,
    table_of,
    write_rows,
)
from foveal_audit.benchmarking.unseen import Unseen, decided
from foveal_audit.judgement import fusion
from foveal_audit.judgement.fusion import Fusion
from foveal_audit.limits import NOTHING_LEARNED

ROWS = st.lists(
    st.builds(
        Row,
        st.text(max_size=5),
        st.text(max_size=5),
        st.booleans(),
        st.dictionaries(st.sampled_from(sorted(SIGNS)), st.floats(allow_nan=False)),
    ),
    min_size=1,
)


def row(case, kind, is_artefact=True):
    return Row(case, kind, is_artefact, {"position_lock": 1.0})


@pytest.mark.parametrize("axes", sorted(fitting.SHIPPED))
def test_the_shipped_weights_are_those_of_the_shipped_facets(axes):
    written = json.loads((files("foveal_audit.judgement") / fusion.SHIPPED[axes]).read_text())
    assert json.loads(json.dumps(refitted(shipped_rows(axes), fitting.SHARES[axes]).record())) == written


@pytest.mark.parametrize(("axes", "plants"), [(1, trace_plants), (3, volume_plants)], ids=["1", "3"])
def test_no_sample_that_weights_were_fitted_on_is_of_another_study(axes, plants):
    """Plants and tasks are those of the plans of seed 1, none of those that the audit is tried on."""
    rows = shipped_rows(axes)
    assert {row.kind for row in rows if row.is_artefact} <= set(plants.LOCAL)
    assert {row.kind for row in rows if not row.is_artefact} <= {"outcome", *plants.TASKS}
    assert {row.case for row in rows} <= {plan.name for plan in plants.plans(1)}


def test_no_shipped_facet_is_of_a_held_out_seed():
    numbers = [int(one.case.rpartition("-")[2]) for one in shipped_rows()]
    assert max(numbers) < fitting.HELD_OUT * 1000
    assert len(numbers) > 1000


@given(ROWS)
def test_facets_survive_being_kept(rows):
    with TemporaryDirectory() as folder:  # tmp_path is one for all examples
        write_rows(rows, Path(folder) / "rows.parquet")
        assert read_rows(Path(folder) / "rows.parquet") == rows


def test_a_signal_that_tells_artefacts_gets_a_weight_and_one_against_its_direction_none():
    rng = np.random.default_rng(0)
    told = [
        Row(
            f"case-{number}",
            "marker",
            number % 2 == 0,
            {
                "position_lock": (number % 2 == 0) + rng.normal(),
                "moves_with_salience": (number % 2 == 0) + rng.normal(),  # it is low that speaks for one
                "stamp_likeness": rng.normal(),
            },
        )
        for number in range(80)
    ]
    weights = {term.signal: term.weight for term in fit(table_of(told), told).terms}
    assert SIGNS["moves_with_salience"] == -1
    assert "moves_with_salience" not in weights
    assert weights["position_lock"] > 3 * weights.get("stamp_likeness", 0)


@pytest.mark.parametrize(
    ("kinds", "case", "left"),
    [
        ({"tint"}, "new-7", ["a/one-1", "b/clean-4"]),
        ({"marker"}, "new-7", ["a/two-2", "b/clean-4"]),
        (set(), "new-7", ["a/both-3", "a/one-1", "a/two-2", "b/clean-4"]),
        (set(), "clean-4", ["a/both-3", "a/one-1", "a/two-2"]),  # a case is never judged by what it taught
        ({"object"}, "new-7", ["a/both-3", "a/one-1", "a/two-2", "b/clean-4"]),  # no artefact there
    ],
)
def test_cases_with_a_kind_are_left_out_whole(monkeypatch, kinds, case, left):
    seen = []
    monkeypatch.setattr(
        unseen, "refitted", lambda rows, _share: seen.append(sorted({one.case for one in rows}))
    )
    rows = [
        row("a/one-1", "marker"),
        row("a/one-1", "object", is_artefact=False),
        row("a/two-2", "tint"),
        row("a/both-3", "tint"),
        row("a/both-3", "marker"),
        row("b/clean-4", "object", is_artefact=False),
    ]
    asked = Unseen(rows)
    asked.without(frozenset(kinds), case)
    asked.without(frozenset(kinds), case)
    assert seen == [left]


def test_another_share_of_artefacts_moves_all_log_odds_alike():
    rows = shipped_rows(axes=1)
    usual, half = refitted(rows), refitted(rows, share=0.5)
    truth = np.mean([one.is_artefact for one in rows])
    moved = -np.log(truth / (1 - truth))
    assert half.terms == usual.terms
    assert half.intercept - usual.intercept == pytest.approx(moved, abs=1e-5)
    assert half.usual - usual.usual == pytest.approx(moved, abs=1e-5)  # so that p-values stay
    assert half.spread == usual.spread


def facets_of(found):
    return [Facet(one.feature, (), one.artefact_score, one.verdict) for one in found.assessments]


def test_of_a_model_that_has_learned_nothing_nothing_is_flagged(make_result):
    suspicious = Fusion(5.0, (), usual=0.0, spread=1.0)  # whatever is relied on looks like an artefact
    found = make_result().findings
    flagged = [one.feature for one in decided(found, facets_of(found), suspicious) if one.is_flagged]
    assert flagged == ["contribution:12"]
    nothing = make_result(not_examined=[NOTHING_LEARNED]).findings
    assert not [one for one in decided(nothing, facets_of(nothing), suspicious) if one.is_flagged]
