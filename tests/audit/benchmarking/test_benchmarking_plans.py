"""The plans: balanced, with enough clean models, and held-out seeds apart."""

from collections import Counter

import pytest

from foveal_audit.benchmarking.full import FULL
from foveal_audit.benchmarking.plans import HELD_OUT
from foveal_audit.benchmarking.smoke import SMOKE
from foveal_audit.planting.gaps import DECOYS, GAPS
from foveal_audit.planting.learning import NETWORKS
from foveal_audit.planting.marks.kinds import KINDS
from foveal_audit.planting.marks.placing import PLACINGS
from foveal_audit.planting.tasks import TASKS

PLANS = {"smoke": SMOKE, "full": FULL}


def _is_clean(case):
    return bool(case.control) and not (case.control == "mirrored" and case.marks[0].role == "artefact")


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_covers_what_may_be_planted(plan):
    cases = [trial.case for trial in plan.trials]
    assert {case.task for case in cases} == set(TASKS)
    assert {case.network for case in cases} == set(NETWORKS)
    assert {mark.look.placing for case in cases for mark in case.marks} == set(PLACINGS)
    assert {gap.kind for case in cases for gap in case.gaps} == set(GAPS)
    assert {decoy for case in cases for decoy in case.decoys} == set(DECOYS)
    assert {case.learning for case in cases} == {"usual", "debiased", "permuted", "none"}
    assert len({trial.folder for trial in plan.trials}) == len(cases)
    assert sum(_is_clean(case) for case in cases) >= 0.3 * len(cases)


def test_sizes_and_balance():
    assert len(SMOKE.trials) == 25
    assert len(FULL.trials) == 276
    assert set(Counter(tier for trial in SMOKE.trials for tier in trial.tiers).values()) <= {8, 9}
    assert max(Counter(trial.case.task for trial in SMOKE.trials).values()) <= 5
    planted = {mark.look.kind for trial in FULL.trials for mark in trial.case.marks}
    assert planted == set(KINDS)
    assert planted - {mark.look.kind for trial in SMOKE.trials for mark in trial.case.marks} == {"jpeg"}
    assert max(len(trial.case.marks) for trial in SMOKE.trials) == 3
    assert max(len(trial.case.marks) for trial in FULL.trials) == 4
    assert sum(len(trial.case.gaps) > 1 for trial in SMOKE.trials) >= 1


def test_the_two_of_a_mirrored_pair_are_drawn_and_trained_alike():
    pairs = [trial.case for trial in (*SMOKE.trials, *FULL.trials) if trial.case.control == "mirrored"]
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        assert (first.seed, first.network, first.task) == (second.seed, second.network, second.task)
        assert [mark.role for mark in first.marks + second.marks] == ["artefact", "outcome"]


def test_held_out_seeds_are_apart():
    usual = {
        trial.case.seed
        for seed in (0, 999)
        for trial in (*SMOKE.with_seed(seed).trials, *FULL.with_seed(seed).trials)
    }
    held = {trial.case.seed for trial in SMOKE.with_seed(0, held_out=True).trials}
    assert max(usual) < HELD_OUT * 1000 <= min(held)


def test_kinds_tasks_and_cases_are_left_out_or_kept():
    assert {trial.case.task for trial in SMOKE.only(["digits"]).trials} == {"digits"}
    left = SMOKE.without(["hair", "digits"])
    assert not any(trial.case.task == "digits" or "hair" in trial.case.kinds for trial in left.trials)
    assert len(left.trials) + len(SMOKE.only(["hair", "digits"]).trials) == len(SMOKE.trials)
    assert {trial.tiers for trial in SMOKE.with_tier("B").trials} == {("B",)}
