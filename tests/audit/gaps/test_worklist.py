"""What to acquire."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.bundle.worklist import COLUMNS, worklist_csv
from foveal_audit.gaps.finding import Gap
from foveal_audit.gaps.stating import state_gap
from foveal_audit.gaps.worklist import needed, needed_for_coverage, needed_for_share, worklist
from foveal_audit.windows import Evidence


@pytest.mark.parametrize(("share", "trained", "training"), [(0.1, 0, 900), (0.25, 30, 800), (0.03, 7, 211)])
def test_the_share_is_reached_and_one_less_does_not_reach_it(share, trained, training):
    more = needed_for_share(share, trained, training)
    assert (trained + more) / (training + more) >= share - 1e-12
    assert (trained + more - 1) / (training + more - 1) < share


def test_by_hand():
    assert needed_for_share(0.1, 0, 900) == 100
    assert needed_for_share(0.1, 200, 900) == 0
    assert (needed_for_coverage(0), needed_for_coverage(13), needed_for_coverage(50)) == (20, 7, 0)


def gap(members, share, kind="uncovered_group"):
    rows = np.array(members)
    return Gap(rows, rows, np.array([0]), "network", kind, share, 0, 0.0025, {"site": "D"})


def test_the_largest_share_comes_first():
    rng = np.random.default_rng(0)
    samples = make_samples(["training"] * 90 + ["production"] * 30, site=["A"] * 120)
    evidence = Evidence(samples, make_windows([noise_crop(rng) for _ in range(120)]), {}, {})
    gaps = [gap([100, 101], 0.02), gap([110, 111, 112, 113], 0.5)]
    stated = [(state_gap(one, evidence, "f" * 64), one) for one in gaps]
    orders = worklist(stated, 90)
    assert [one.needed for one in orders] == [90, 20] == [needed(gaps[1], 90), needed(gaps[0], 90)]
    header, first, _ = csv.reader(io.StringIO(worklist_csv(orders)))
    assert tuple(header) == COLUMNS
    assert first[1:] == [
        "uncovered_group",
        "acquire",
        "90",
        "0",
        "0.5",
        "site = D",
        "",
        "s0110 s0111 s0112",
        "s0000",
    ]
    assert stated[1][0].reasons[-1] == (
        "About 90 more samples like them close the gap (training holds 0), so that training holds as large a "
        "part of them as production does, and at least 20: see worklist.csv."
    )


def test_more_samples_do_not_mend_what_the_model_ignores():
    samples = make_samples(["training"] * 90 + ["production"] * 30)
    windows = make_windows([noise_crop(np.random.default_rng(0)) for _ in range(120)])
    ignored = Gap(
        *[np.zeros(0, np.int64)] * 3, "exemplars", "ignored_concept", 0.0, 9, None, {"concept": "hair"}
    )
    stated = [(state_gap(one, Evidence(samples, windows, {}, {}), "f" * 64), one) for one in (ignored,)]
    assert worklist(stated, 90) == []
    assert "worklist" not in " ".join(stated[0][0].reasons)
