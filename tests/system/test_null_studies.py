"""The other half of the must-hold: a marker that tells nothing is not flagged; on more seeds in full size."""

from __future__ import annotations

import pytest

from foveal_audit.demo.plan import FULL_DEMO, QUICK_DEMO

SEEDS = (0, 1, 2)


@pytest.mark.slow
def test_an_uninformative_marker_is_not_flagged(tmp_path, compare_study):
    assert compare_study(tmp_path, "null", SEEDS[0], QUICK_DEMO).flagged == []


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_uninformative_marker_is_not_flagged_in_full_size(tmp_path, compare_study, seed):
    assert compare_study(tmp_path, "null", seed, FULL_DEMO).flagged == []
