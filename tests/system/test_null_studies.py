"""The other half of the must-hold: a marker that tells nothing is not flagged; on more seeds in full size."""

from __future__ import annotations

import pytest

from foveal_audit.demo.plan import FULL_DEMO, DemoPlan
from foveal_audit.settings import QUICK

SEEDS = (0, 1, 2)
#: Half of the quick demo: as much as it takes to learn the nodules and to miss the calcified ones.
SMALL = DemoPlan(training=1000, production=200, epochs=8, audit=QUICK)


@pytest.mark.slow
def test_an_uninformative_marker_is_seen_and_not_flagged(tmp_path, compare_study):
    found = compare_study(tmp_path, "null", SEEDS[0], SMALL)
    assert found.flagged == []
    # An audit that sees nothing flags nothing: this one saw the marker, the nodules and the gap.
    assert found.marker
    assert [one for one in found.genuine if one.verdict == "genuine"]
    assert found.gap_covers >= 0.6


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_uninformative_marker_is_not_flagged_in_full_size(tmp_path, compare_study, seed):
    assert compare_study(tmp_path, "null", seed, FULL_DEMO).flagged == []
