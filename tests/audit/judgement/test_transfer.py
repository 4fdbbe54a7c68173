"""Sufficiency on a model whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from patch_bench import BOX, FACET, HOSTS, PatchBench

from foveal_audit.judgement.asking import Scale, answers_once
from foveal_audit.judgement.filling import fill_from
from foveal_audit.judgement.places import Placed, cut
from foveal_audit.judgement.transfer import paste_crop, transfer


def pasted(bench, facet=FACET, pairs=64, hosts=HOSTS, seed=1):
    return transfer(bench, facet, hosts, 1, np.random.default_rng(seed), pairs)


def test_the_patch_a_model_looks_at_is_sufficient():
    found = pasted(PatchBench())
    effect = found.effect(1)
    assert 0.95 < effect.low <= effect.estimate <= effect.high <= 1
    assert abs(effect.controls) < 0.1
    assert np.exp(found.clean[:, 1] * 2).max() < 0.02


def test_what_one_class_gains_the_other_loses():
    found = pasted(PatchBench())
    assert found.effect(0).estimate == pytest.approx(-found.effect(1).estimate)


def test_a_patch_that_the_model_ignores_has_no_effect():
    effect = pasted(PatchBench(box=(22, 22, 30, 30))).effect(1)
    assert effect.estimate == pytest.approx(0, abs=0.05)
    assert effect.low <= 0.02


def test_a_small_patch_keeps_nine_tenths_of_itself():
    """Of 8 x 8 pixels the outermost 28 keep three quarters, the others all of the patch: 57 / 64."""
    box = (4, 4, 12, 12)
    found = pasted(PatchBench(box=box), [Placed(number, box, (BOX,)) for number in range(40)])
    assert found.effect(1).estimate == pytest.approx(57 / 64, abs=0.01)


def test_margins_are_logits_in_their_spreads():
    found = pasted(PatchBench())
    by_hand = (found.with_facet[:, 1] - found.with_control[:, 1]).mean() / 4
    assert found.effect(1, Scale(np.array([9.0, 4.0]))).estimate == pytest.approx(by_hand)


def test_pairs_share_no_samples_as_long_as_there_are_others():
    donors, hosts = pasted(PatchBench()).shared
    assert len(np.unique(donors)) == len(np.unique(hosts)) == len(donors) == 32


def test_few_donors_are_used_again():
    found = pasted(PatchBench(), FACET[:7], pairs=50)
    assert np.bincount(found.shared[0]).max() <= -(-len(found.pairs) // 7)


def test_it_stops_where_nothing_is_left_to_learn_and_asks_every_host_once():
    bench = PatchBench()
    found = pasted(bench, hosts=HOSTS[:3], pairs=64)
    assert len(found.pairs) == 64  # three hosts are three independent pairs: too few to be sure early
    assert bench.asked == 64 * 2 + 3
    bench = PatchBench()
    assert len(pasted(bench, pairs=128).pairs) == 32
    assert bench.asked == 32 * 3


def test_the_first_pairs_are_those_that_were_asked_first():
    found = pasted(PatchBench())
    few = found.first(5)
    assert few.pairs == found.pairs[:5]
    np.testing.assert_array_equal(few.with_facet, found.with_facet[:5])


@pytest.mark.parametrize("shapes", [((32, 32, 1), (24, 48, 1)), ((24, 24, 3), (40, 40, 1), (64, 20, 4))])
def test_samples_of_many_shapes_can_be_mixed(shapes):
    bench = PatchBench(shapes=shapes)
    for pair in pasted(bench).pairs:
        host = bench.pixels(pair.host)
        assert paste_crop(bench, pair, pair.facet).shape == host.shape
        assert 0 <= pair.window[0] < pair.window[2] <= host.shape[0]
        assert 0 <= pair.window[1] < pair.window[3] <= host.shape[1]


def test_pasting_a_crop_back_where_it_was_leaves_no_seam():
    rng = np.random.default_rng(0)
    host = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    for window in [(0, 0, 8, 8), (5, 9, 30, 25), (32, 0, 40, 50)]:
        np.testing.assert_array_equal(fill_from(host, window, cut(host, window)), host)


def test_the_same_chance_gives_the_same_effect_and_samples_are_left_alone():
    bench = PatchBench()
    before = [one.copy() for one in bench.samples]
    assert pasted(bench).effect(1) == pasted(PatchBench()).effect(1)
    assert all(np.array_equal(a, b) for a, b in zip(before, bench.samples, strict=True))


def test_every_clean_sample_is_asked_once():
    bench = PatchBench()
    answers = answers_once(bench, [3, 50, 3, 3, 50])
    assert bench.asked == 2
    again = answers_once(bench, [50, 7, 3])
    assert bench.asked == 3
    np.testing.assert_array_equal(answers, bench.logits([bench.pixels(n) for n in (3, 50, 3, 3, 50)]))
    np.testing.assert_array_equal(again, bench.logits([bench.pixels(n) for n in (50, 7, 3)]))
