"""From measurements to assessments and back to the same verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.bundle.schema import Assessment
from foveal_audit.judgement import rederive
from foveal_audit.judgement.assessing import (
    PValues,
    assess,
    discovery_rates,
    measured_of,
    p_values,
    strongest,
)
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.judgement.fusion import FUSION, FUSIONS, share
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.verdict import THRESHOLDS, as_record
from foveal_audit.units.unit import Unit

SAMPLES = make_samples(["training"] * 3 + ["production"], predicted=[0, 1, 1, 2])
WINDOWS = make_windows([noise_crop(np.random.default_rng(0))] * 4, activation=[1, 4, 2, 3])
CONFIG = {"audit": {"seed": 0}, "thresholds": dict(as_record()), "sha256": "0" * 64}
LABELS = ("a", "b")
ASKED = (SAMPLES, "f" * 64, LABELS, 0)

# Near the thresholds, where rounding decides.
NEAR = st.builds(
    lambda at, off: at + off,
    st.sampled_from([0.0, 0.05, 0.1, 0.6, 0.75, 0.9]),
    st.floats(-1e-6, 1e-6) | st.floats(-0.05, 0.05),
)
SHARE = (NEAR | st.floats(0, 1)).map(lambda value: min(1.0, max(0.0, value)))
P = st.floats(1e-12, 1)
SIGNAL = st.builds(Signal, SHARE, P)


@st.composite
def effects(draw, estimate=NEAR):
    middle = draw(estimate)
    low, high = middle - draw(st.floats(0, 0.2)), middle + draw(st.floats(0, 0.2))
    return Effect(middle, low, high, 0.0, draw(P), 40)


@st.composite
def judgements(draw, number=0):
    tested = draw(st.booleans())
    found = {"position_lock": draw(SIGNAL), "stamp_likeness": draw(SIGNAL)}
    for name in draw(st.sets(st.sampled_from(["conditional_association:site", "coincides_with:a:b"]))):
        found[name] = draw(SIGNAL)
    return Judged(
        facet=Facet(Unit(f"contribution:{number}", "conv", (0,), local=True), 0, WINDOWS),
        outcome=draw(st.integers(0, 2)),
        signals=found,
        removal=draw(effects()) if tested else None,
        paste=draw(effects()) if tested else None,
        mediation=draw(st.none() | effects(SHARE)) if tested else None,
    )


MANY = st.integers(1, 4).flatmap(lambda n: st.tuples(*(judgements(number) for number in range(n))))


@given(MANY)
def test_the_verdict_follows_from_what_is_written_down(judged):
    for one in assess(judged, SAMPLES, "f" * 64, LABELS, 0):
        read = Assessment.model_validate_json(one.model_dump_json())
        assert read == one
        assert rederive(read, CONFIG) == one.verdict


@given(MANY)
def test_q_values_are_those_of_all_tested_facets(judged):
    every = [p_values(one) for one in judged]
    assert [one is not None for one in every] == [one.paste is not None for one in judged]
    made = assess(judged, SAMPLES, "f" * 64, LABELS, 0)
    expected = discovery_rates(every)
    assert [one.q_value is None for one in made] == [rate is None for rate in expected]
    np.testing.assert_allclose(
        [one.q_value for one in made if one.q_value is not None],
        [rate for rate in expected if rate is not None],
        rtol=1e-5,
    )


def test_discovery_rates_by_hand():
    """Three are relied on: the family. Their larger p-values are .001, .02 and .04."""
    p_values = [
        PValues(0.001, 0.0001),
        None,
        PValues(0.03, 0.0),
        PValues(0.02, 0.01),
        PValues(0.0, 0.04),
    ]
    assert discovery_rates(p_values) == [
        pytest.approx(0.003),
        None,
        1.0,
        pytest.approx(0.03),
        pytest.approx(0.04),
    ]
    assert discovery_rates([None]) == [None]


def judged(paste_p=1e-6, lock_p=1e-5, stamp_p=1e-4, **metadata):
    found = {"position_lock": Signal(0.9, lock_p), "stamp_likeness": Signal(0.9, stamp_p)}
    found |= {name.replace("__", ":"): Signal(0.5, p) for name, p in metadata.items()}
    effect = Effect(0.4, 0.3, 0.5, 0.0, paste_p, 40)
    unit = Unit("contribution:3", "conv", (0,), local=True)
    return Judged(Facet(unit, 0, WINDOWS), 1, found, effect, effect, effect)


def with_signals(judged, **signals):
    return replace(judged, signals={**judged.signals, **signals})


PROPERTY = {
    "property_ubiquity": Signal(0.9, 1e-5),
    "property_purity": Signal(0.9, 1e-4),
    "property_fidelity": Signal(0.9, None),
    "property_prevalence": Signal(0.7, None),
    "removal_margin": Signal(1.0, 1e-3),
}


def test_the_p_values_of_windows_are_of_effects_and_of_the_fused_signals():
    one = judged(paste_p=0.01)
    log_odds = FUSION.log_odds({name: signal.value for name, signal in one.signals.items()})
    assert p_values(one) == PValues(0.02, FUSION.p_value(log_odds))
    assert p_values(with_signals(one, paste_margin=Signal(0.7, 1e-4))).reliance == pytest.approx(2e-4)
    assert p_values(replace(one, paste=None)) is None


@pytest.mark.parametrize(("shape", "axes"), [((400, 1), 1), ((64, 64, 1), 2), ((32, 32, 32, 1), 3)])
def test_signals_are_weighed_by_the_model_for_so_many_axes(shape, axes):
    one, samples = judged(), replace(SAMPLES, shapes=(shape,) * len(SAMPLES.shapes))
    (made,) = assess([one], samples, *ASKED[1:])
    values = {name: signal.value for name, signal in one.signals.items()}
    log_odds = FUSIONS[axes].log_odds(values)
    assert made.irrelevance == pytest.approx(share(log_odds), abs=1e-6)
    assert made.q_value == pytest.approx(max(2e-6, FUSIONS[axes].p_value(log_odds)), rel=1e-5)
    assert rederive(made, {**CONFIG, "fusion": FUSIONS[axes].record()}) == made.verdict


def test_a_property_has_nulls_of_its_own():
    assert p_values(with_signals(judged(), **PROPERTY)) == PValues(pytest.approx(2e-6), 1e-3)
    without = {name: signal for name, signal in PROPERTY.items() if name != "removal_margin"}
    assert p_values(with_signals(judged(), **without)).irrelevance == 1


def test_an_assessment_by_hand():
    (one,) = assess([with_signals(judged(conditional_association__site=0.005), **PROPERTY)], *ASKED)
    assert (one.feature, one.facet, one.verdict) == ("contribution:3", 0, "confirmed")
    assert one.n_entries == {"training": 3, "production": 1}
    assert one.classes == {"a": 0.25, "b": 0.5, "2": 0.25}
    assert one.reliance == pytest.approx(0.4)
    assert one.irrelevance == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6)  # the weakest demand: fidelity
    assert one.q_value == pytest.approx(1e-3)  # one facet: no further price
    assert [(entry.sample, entry.activation, entry.source) for entry in one.entries] == [
        ("s0000", 1, "training"),
        ("s0001", 4, "training"),
        ("s0002", 2, "training"),
        ("s0003", 3, "production"),
    ]
    assert one.entries[0].window == (8, 8, 24, 24)
    assert strongest(one, "conditional_association") == ("site", 0.5)
    assert measured_of(one).confounded == 0
    assert measured_of(one).removal_margin == 1


def test_a_margin_counts_only_where_chance_is_unlikely():
    (one,) = assess([with_signals(judged(), paste_margin=Signal(3.0, 0.03))], *ASKED)
    assert measured_of(one).paste_margin == 0


def test_the_id_names_model_feature_and_facet_only():
    first, again, other = (
        assess([one], SAMPLES, sha, LABELS, seed)[0].id
        for one, sha, seed in (
            (judged(), "f" * 64, 0),
            (judged(paste_p=0.5), "f" * 64, 9),
            (judged(), "e" * 64, 0),
        )
    )
    assert first == again != other


def test_a_column_counts_only_where_chance_is_unlikely():
    (one,) = assess([judged(conditional_association__site=0.011)], SAMPLES, "f" * 64, LABELS, 0)
    assert measured_of(one).association == 0


def test_only_200_entries_are_listed_the_same_every_time():
    windows = make_windows([noise_crop(np.random.default_rng(0), 4)] * 250, owner=[0] * 250)
    facet = Facet(Unit("fc1:1", "fc1", (1,), local=False), 0, windows)
    first, again = (
        assess([Judged(facet, 0, {}, None, None, None)], SAMPLES, "f" * 64, LABELS, 3)[0] for _ in range(2)
    )
    assert first == again
    assert len(first.entries) == 200
    assert first.n_entries == {"training": 250}
    assert len({entry.id for entry in first.entries}) == 200
    assert (first.verdict, first.q_value) == ("undecidable", None)


def test_the_recorded_thresholds_and_model_decide_and_not_those_of_today():
    (one,) = assess([with_signals(judged(), **PROPERTY)], *ASKED)
    assert rederive(one, {}) == "confirmed"
    strict = {"irrelevant": 0.99, "confirmed_irrelevance": 0.99}
    assert rederive(one, {"thresholds": strict}) == "undecidable"
    assert rederive(one, {"thresholds": {**strict, "doubtful": 0.99}}) == "genuine"
    assert THRESHOLDS.irrelevant < 0.99
    (other,) = assess([judged()], *ASKED)
    sure = {"intercept": 9.0, "terms": [], "usual": 0.0, "spread": 1.0}
    assert rederive(other.model_copy(update={"q_value": 0.0}), {"fusion": sure}) == "confirmed"
