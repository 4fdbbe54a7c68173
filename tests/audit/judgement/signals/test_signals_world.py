"""A stamp and a part of the object, by every signal that can tell them apart."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.judgement.signals.registry import KINDS, kind_of, measure


@pytest.fixture(scope="module")
def both(stamp, part):
    return measure(stamp), measure(part)


@pytest.mark.parametrize(
    "name",
    [
        "constancy",
        "outside_object",
        "moves_with_roi",
        "salience_elsewhere",
        "recognised_without",
        "evidence_elsewhere",
        "drawn_flatness",
        "drawn_fewness",
        "drawn_saturation",
        "false_positive_lift",
    ],
)
def test_the_stamp_stands_out_in_the_direction_that_the_table_says(both, name):
    stamp, part = (found.get(name) for found in both)
    direction = KINDS[name].direction
    assert stamp is not None
    assert part is None or direction * (stamp.value - part.value) > 0.15


def test_every_measured_signal_is_in_the_table(both):
    for found in both:
        assert all(kind_of(name) for name in found)
        assert all(np.isfinite(signal.value) for signal in found.values())
        assert all(signal.p is None or 0 < signal.p <= 1 for signal in found.values())


def test_same_question_same_answer(world, stamp, both):
    assert measure(world.ask(world.stamp_rows, world.rois)) == both[0]


def test_figures_by_hand(both):
    stamp, part = both
    assert stamp["prevalence"].value == pytest.approx(0.5)  # 50 of 100 pictures that were given class 1
    assert part["prevalence"].value == pytest.approx(0.5)  # those without a stamp
    assert stamp["purity"].value == 1
    assert stamp["evidence_elsewhere"].value == pytest.approx(0.5)  # one window of the disk, equal shares
    assert part["evidence_elsewhere"].value == 0
    assert stamp["outside_object"].value > 0.95
    assert part["outside_object"].value < 0.05
    assert part["moves_with_roi"].value > 0.9
    assert stamp["moves_with_roi"].value < 0.15
    assert stamp["moves_with_roi"].p > 0.01 > part["moves_with_roi"].p


def test_without_regions_what_needs_them_is_absent(world):
    needing = {name for name, kind in KINDS.items() if kind.needs == "rois"}
    assert needing == {"outside_object", "moves_with_roi"}
    assert not needing & set(measure(world.ask(world.stamp_rows)))
