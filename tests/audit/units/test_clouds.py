"""Two clouds, or one that was cut in half."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveal_audit.units.clouds import (
    SEPARATE,
    Cloud,
    clouds_of,
    join_inseparable,
    nearest_rivals,
    separation,
)


def column(*values):
    return np.array(values, np.float32)[:, None]


def naive_separation(a, b):
    along = b.mean(0) - a.mean(0)
    length = np.linalg.norm(along)
    along = along / length
    return length / np.sqrt(((a @ along).var() + (b @ along).var()) / 2)


def test_by_hand():
    """Means 0 and 6, variances 1 and 7: 6 / 2."""
    far = column(6 - 7**0.5, 6 + 7**0.5)
    assert separation(Cloud.of(column(-1, 1)), Cloud.of(far)) == pytest.approx(3, rel=1e-6)
    assert separation(Cloud.of(column(-1, 1)), Cloud.of(column(-5, 5))) == 0


def test_a_small_cloud_counts_as_much_as_a_large_one():
    large, small = np.tile(column(-1, 1), (500, 1)), column(5, 7)
    assert separation(Cloud.of(large), Cloud.of(small)) == pytest.approx(6)


def test_copies_at_two_places_are_two_and_at_one_are_one():
    here, there = np.zeros((5, 3), np.float32), np.ones((5, 3), np.float32)
    assert separation(Cloud.of(here), Cloud.of(there)) > 1000
    assert separation(Cloud.of(here), Cloud.of(here)) == 0


@pytest.mark.parametrize(("draw", "apart"), [("normal", 2.65), ("uniform", 3.46)])
def test_halves_lie_as_far_apart_as_theory_says(draw, apart):
    points = getattr(np.random.default_rng(0), draw)(size=(20_000, 3)).astype(np.float32)
    upper = points[:, 0] > np.median(points[:, 0])
    assert separation(Cloud.of(points[~upper]), Cloud.of(points[upper])) == pytest.approx(apart, abs=0.05)


finite = arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3)), elements=st.floats(-9, 9, width=32))


@settings(max_examples=60, deadline=None)
@given(finite, finite)
def test_what_is_joined_is_what_all_points_say(a, b):
    joined, whole = Cloud.of(a).joined(Cloud.of(b)), Cloud.of(np.concatenate([a, b]))
    assert joined.number == whole.number
    np.testing.assert_allclose(joined.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(joined.covariance, whole.covariance, atol=1e-4)
    assert separation(Cloud.of(a), Cloud.of(b)) == pytest.approx(separation(Cloud.of(b), Cloud.of(a)))


def test_separation_is_what_projected_points_say():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.normal(size=(30, 4)), rng.normal(1, 2, size=(12, 4))
        assert separation(Cloud.of(a), Cloud.of(b)) == pytest.approx(naive_separation(a, b), rel=1e-6)


def test_pieces_of_one_cloud_are_joined_and_another_stays():
    rng = np.random.default_rng(2)
    cloud, other = rng.normal(size=(9000, 2)), rng.normal((12, 0), 1, (40, 2))
    points = np.concatenate([cloud, other]).astype(np.float32)
    pieces = np.concatenate([(cloud[:, 0] > 0) * 1, np.full(40, 2)])
    labels = join_inseparable(pieces, {"network": points})
    assert set(labels[:9000]) == {0}
    assert set(labels[9000:]) == {2}


def test_apart_in_one_view_is_apart():
    rng = np.random.default_rng(3)
    same = rng.normal(size=(80, 2)).astype(np.float32)
    labels = np.repeat([0, 1], 40)
    apart = same + 20 * labels[:, None].astype(np.float32)
    assert len(set(join_inseparable(labels, {"network": same, "looks": apart}))) == 2
    assert len(set(join_inseparable(labels, {"network": same, "looks": same}))) == 1


def test_what_may_not_join_stays_apart_even_by_way_of_a_third():
    for seed in range(6):
        points = np.random.default_rng(seed).normal(size=(90, 2)).astype(np.float32)
        joined = join_inseparable(np.tile([0, 1, 2], 30), {"network": points}, lambda a, b: (a, b) != (0, 2))
        assert joined[0] != joined[2]
        assert joined[1] in (joined[0], joined[2])


def test_the_nearest_rival_is_the_one_hardest_to_tell_apart():
    """From 0, cluster 1 is far by looks and near by network; cluster 2 is half as far by both."""
    spread = np.tile(column(-1, 1), (3, 1))
    network = np.concatenate([spread, spread + 1, spread + 5])
    looks = np.concatenate([spread, spread + 9, spread + 5])
    clouds = clouds_of(np.repeat([0, 1, 2], 6), {"network": network, "looks": looks})
    assert nearest_rivals(clouds)[0] == pytest.approx({"network": 5, "looks": 5})
    assert nearest_rivals(clouds[:1]) == [{}]
    assert SEPARATE > 2.65
