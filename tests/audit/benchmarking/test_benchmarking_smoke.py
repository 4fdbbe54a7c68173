"""The smoke plan's networks do what the plan says: minutes, so only on request."""

import pytest

from foveal_audit.benchmarking.running import make_trial
from foveal_audit.benchmarking.smoke import SMOKE
from foveal_audit.benchmarking.truths import read_planted

#: Whose accuracy says nothing, or is no better than the marks alone allow.
_UNLEARNED = {"random-weights", "permuted"}


@pytest.mark.full
@pytest.mark.parametrize("trial", SMOKE.trials, ids=lambda trial: trial.case.name)
def test_planted_artefacts_are_relied_on_and_controls_are_clean(trial, tmp_path):
    make_trial(trial.case.record(), trial.case.name, tmp_path / "inputs", tmp_path / "truth")
    truth = read_planted(tmp_path / "truth" / "truth.json")
    marks = [factor for factor in truth.factors if factor.role == "artefact"]
    if trial.case.control and trial.case.name != "mirrored-site":
        assert truth.is_clean
    else:
        assert marks
        assert all(mark.relied for mark in marks)
    if trial.case.name not in _UNLEARNED:
        assert truth.accuracy > 0.65
        assert any(factor.relied for factor in truth.factors if factor.role != "artefact")
    for number in range(len(trial.case.gaps)):
        assert len(truth.gap_members(number)) >= 15
