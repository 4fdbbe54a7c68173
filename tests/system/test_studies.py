"""The must-hold of the audit: what was planted is found, what was not is not, on several seeds.

The README's demo is tested on a smaller study every time; `make test-full` runs these.
"""

from __future__ import annotations

import pytest

from foveal_audit.demo.plan import FULL_DEMO

SEEDS = (0, 1, 2)


def holds_on_standard(found):
    assert found.marker_rank == 1
    assert found.marker[0].verdict in ("confirmed", "suspected")
    assert {one.feature.partition(":")[0] for one in found.marker} >= {"contribution"}
    assert found.false_alarms == []
    assert found.decoy
    assert found.genuine
    assert found.gap_covers >= 0.6
    assert found.gap_others <= 0.2


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", SEEDS)
def test_marker_and_gap_are_found_and_nothing_else_in_full_size(tmp_path, compare_study, seed):
    holds_on_standard(compare_study(tmp_path, "standard", seed, FULL_DEMO))
