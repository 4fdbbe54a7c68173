"""The alarm on a live stream: rarely false however long it runs, quick where a group appears."""

from __future__ import annotations

import json

import numpy as np
import pytest

from foveal.alarm.betting import LEVELS, STAKES, _payoffs, alarm_from_json, observe, start_alarm
from foveal.errors import UsageError

ALPHA = 0.1


def test_bets_are_fair():
    """Every gambler's payoff is 1 on average over uniform p-values, and never negative."""
    payoffs = np.array([_payoffs((step + 0.5) / 20000) for step in range(20000)])
    assert payoffs.shape == (20000, 1 + len(LEVELS) * len(STAKES))
    np.testing.assert_allclose(payoffs.mean(axis=0), 1, atol=1e-9)
    assert payoffs.min() >= 0
    assert _payoffs(0.003)[1] == pytest.approx(1 - 0.02 + 0.02 / 0.005)


def test_the_capital_starts_at_one():
    alarm = start_alarm([1.0, 2.0, 3.0])
    assert alarm.evidence == pytest.approx(1)
    assert (alarm.edges, alarm.counts) == ((1.0, 2.0, 3.0), (1, 1, 1, 0))


def test_false_alarms_are_as_rare_as_said():
    """40 streams of 800 like training, looked at after every sample, with a calibration of only 40."""
    raised = 0
    for run in range(40):
        rng = np.random.default_rng(run)
        alarm = observe(start_alarm(rng.normal(size=40), alpha=ALPHA, seed=run), rng.normal(size=800))
        raised += alarm.raised_at is not None
    assert raised <= 40 * ALPHA + 3  # Ville: 4 expected at most


def test_a_group_is_noticed():
    """A kind that is a tenth of the stream from sample 300 on raises the alarm within 250 samples."""
    delays = []
    for run in range(5):
        rng = np.random.default_rng(run)
        scores = rng.normal(size=800)
        scores[300:] += 6 * (rng.random(500) < 0.1)
        alarm = observe(start_alarm(rng.normal(size=400), alpha=0.01, seed=run), scores)
        delays.append(alarm.raised_at - 300)
    assert min(delays) > 0
    assert max(delays) <= 250


def test_the_state_goes_through_json_one_by_one_as_at_once():
    rng = np.random.default_rng(3)
    start, scores = start_alarm(rng.normal(size=50), alpha=0.05), rng.normal(size=40).tolist()
    at_once, alarm = observe(start, scores), start
    for score in scores:
        alarm = alarm_from_json(json.loads(json.dumps(observe(alarm, [score]).to_json())))
    assert alarm == at_once
    assert alarm.seen == 40


def test_a_score_that_is_no_number_counts_as_unlike_training():
    alarm = observe(start_alarm([1.0, 2.0]), [float("nan"), float("inf")])
    assert alarm.counts == (1, 1, 2)


@pytest.mark.parametrize(
    ("calibration", "alpha", "fault", "mend"),
    [
        (
            [],
            0.1,
            "The alarm has no usable calibration: no score",
            "Give it the scores of held-out training samples",
        ),
        (
            [float("nan")],
            0.1,
            "The alarm has no usable calibration: a score is not a number",
            "Give it the scores of held-out training samples",
        ),
        (
            [1.0],
            1.0,
            "alpha is 1.0, which is no probability of a false alarm",
            "Choose it above 0 and below 1",
        ),
    ],
)
def test_what_cannot_be_an_alarm_is_said(calibration, alpha, fault, mend):
    with pytest.raises(UsageError) as error:
        start_alarm(calibration, alpha=alpha)
    assert (error.value.fault, error.value.mend) == (fault, mend)


def test_another_state_is_refused():
    with pytest.raises(UsageError) as error:
        alarm_from_json({"version": 0})
    assert error.value.fault == "This is no state of an alarm that is known here"
    assert error.value.mend == "Start the alarm anew"
