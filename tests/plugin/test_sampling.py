"""What is kept of the requests: drawn, unsure, new, and thinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.budget import Breaker
from foveal.config import Sampling
from foveal.records import Entry, Negative, Observation, SampleRecord
from foveal.sampling import Novelty, Sampler, top_probability

DAY = "2026-03-01T12:00:00Z"


def sample(name="r1", scores=(0.0, 0.0), nodes=(1.0, 2.0), time=DAY):
    return SampleRecord(
        name, 0, "production", time, 0, scores, {"fc1": tuple(nodes)}, "m" * 64, "c" * 64, "s" * 64, (8, 8, 1)
    )


def entry(name, feature):
    empty = np.zeros((1, 1), np.float32)
    common = {"time": DAY, "model_sha256": "m" * 64, "config_sha256": "c" * 64}
    return Entry(
        "",
        feature,
        name,
        0,
        "production",
        (),
        1.0,
        0.0,
        b"",
        empty,
        empty[0],
        0,
        "gradcam",
        "l",
        0.0,
        **common,
    )


def kept(sampler, names, **changes):
    return [name for name in names if sampler.keep(Observation(sample(name, **changes))) is not None]


NAMES = [f"request-{number}" for number in range(4000)]


def test_a_rate_draws_its_share_and_the_same_again():
    first, again = (kept(Sampler(0.1, Sampling()), NAMES) for _ in range(2))
    assert first == again
    assert 0.08 < len(first) / len(NAMES) < 0.12
    sampler = Sampler(0.1, Sampling())
    assert [name for name in NAMES if sampler.may_want(name)] == first


def test_the_unsure_are_kept_whatever_is_drawn():
    sampler = Sampler(0.0, Sampling(uncertain=0.6))
    assert sampler.may_want("any")
    assert kept(sampler, ["a"], scores=(0.0, 0.3)) == ["a"]
    assert kept(sampler, ["a"], scores=(0.0, 0.5)) == []


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_the_top_probability_is_that_of_a_softmax(scores):
    logits = np.array([*scores, 0.0] if len(scores) == 1 else scores)
    assert top_probability(tuple(scores)) == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum())


def test_the_new_are_kept_in_the_share_asked_for_and_outliers_among_them():
    random = np.random.default_rng(0)
    novelty = Novelty(0.05)
    told = [novelty.judge(sample(nodes=random.normal(5, [1.0, 10.0]))) for _ in range(4000)]
    assert not any(told[:100])
    assert 0.03 < np.mean(told[1000:]) < 0.08
    assert novelty.judge(sample(nodes=(20.0, 5.0)))
    assert novelty.judge(sample(nodes=(float("nan"), 5.0)))


def test_nothing_is_new_where_that_is_not_asked_for():
    assert not any(Novelty(0.0).judge(sample(nodes=(number, 0.0))) for number in range(300))


def test_a_reservoir_thins_what_is_frequent_and_keeps_what_is_rare():
    sampler, negative = Sampler(1.0, Sampling(per_feature=50)), Negative(b"x", "k", (0, 0, 8, 8), (4, 4), 3)
    counts = {"often": 0, "rarely": 0}
    for number, name in enumerate(NAMES):
        features = ["often", "rarely"] if number % 100 == 0 else ["often"]
        entries = tuple(entry(name, feature) for feature in features)
        left = sampler.keep(Observation(sample(name), entries, negative))
        assert (left.negative is None) == (not left.entries)
        for one in left.entries:
            counts[one.feature] += 1
    assert counts["rarely"] == 40
    assert counts["often"] == pytest.approx(50 * (1 + np.log(4000 / 50)), rel=0.25)


def test_a_reservoir_begins_anew_each_day():
    sampler = Sampler(1.0, Sampling(per_feature=1))

    def left(name, time):
        return len(sampler.keep(Observation(sample(name, time=time), (entry(name, "f"),))).entries)

    assert left("a", "2026-03-01T12:00:00Z") == 1
    assert sum(left(name, "2026-03-01T13:00:00Z") for name in NAMES[:100]) < 20
    assert left("b", "2026-03-02T00:00:00Z") == 1


def test_thinning_does_not_touch_the_sample():
    sampler = Sampler(1.0, Sampling(per_feature=1))
    first = sample("a")
    assert sampler.keep(Observation(first, (entry("a", "f"),))).sample == first
    assert sampler.keep(replace(Observation(first), entries=())).sample == first


def test_a_breaker_halves_while_it_takes_too_long_and_recovers():
    breaker = Breaker(milliseconds=10)
    assert all(breaker.admits() for _ in range(100))
    for _ in range(64):
        breaker.note(0.02)
    assert breaker.halvings == 2
    assert sum(breaker.admits() for _ in range(100)) == 25
    for _ in range(64):
        breaker.note(0.001)
    assert breaker.halvings == 0


def test_a_breaker_stays_between_and_ends_somewhere():
    breaker = Breaker(milliseconds=10)
    for _ in range(32):
        breaker.note(0.02)
    for _ in range(500):
        breaker.note(0.007)
    assert breaker.halvings == 1
    for _ in range(5000):
        breaker.note(1.0)
    assert breaker.halvings == 10
    assert sum(breaker.admits() for _ in range(2048)) == 2
