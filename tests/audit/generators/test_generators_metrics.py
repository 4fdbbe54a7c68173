import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from foveal_audit.generators.metrics import (
    Standardiser,
    density_coverage,
    distances,
    nearest_crops,
    pixel_distances,
    share_interval,
    spread,
    two_sample_accuracy,
)


def points(n, seed, shift=0.0, scale=1.0, d=6):
    return np.random.default_rng(seed).normal(shift, scale, (n, d))


def naive_density_coverage(real, made, k):
    balls = []
    for i, centre in enumerate(real):
        others = sorted(np.linalg.norm(centre - other) for j, other in enumerate(real) if j != i)
        balls.append(others[k - 1])
    hits = [[np.linalg.norm(m - c) <= r for c, r in zip(real, balls, strict=True)] for m in made]
    density = sum(sum(row) for row in hits) / (k * len(made))
    coverage = sum(any(row[i] for row in hits) for i in range(len(real))) / len(real)
    return density, coverage


def test_density_and_coverage_equal_a_naive_twin():
    real, made = points(30, 0), points(25, 1, 0.5)
    assert density_coverage(real, made, 4) == pytest.approx(naive_density_coverage(real, made, 4))


def test_density_and_coverage_by_hand():
    real = np.array([[0.0], [1.0], [3.0]])  # balls of the nearest neighbour: 1, 1, 2
    made = np.array([[0.5], [0.6], [9.0]])
    assert density_coverage(real, made, 1) == pytest.approx((4 / 3, 2 / 3))


def test_the_same_distribution_has_density_and_coverage_near_one():
    density, coverage = density_coverage(points(300, 0), points(300, 1))
    assert density == pytest.approx(1, abs=0.15)
    assert coverage > 0.9


def test_too_few_real_points_use_the_neighbours_they_have():
    density, coverage = density_coverage(points(3, 0), points(3, 0))
    assert (density, coverage) == (1.5, 1)  # both others are in every ball of two, and so is the point itself


def test_two_sample_accuracy_equals_leaving_one_out_by_hand():
    real, made = points(20, 0), points(20, 1, 0.7)
    both, labels = np.concatenate([real, made]), np.repeat([0, 1], 20)
    right = 0
    for i in range(40):
        rest = np.arange(40) != i
        right += KNeighborsClassifier(1).fit(both[rest], labels[rest]).predict(both[[i]])[0] == labels[i]
    assert two_sample_accuracy(real, made) == pytest.approx(right / 40)


def test_two_sample_accuracy_is_half_for_the_same_and_one_for_the_different():
    assert two_sample_accuracy(points(300, 0), points(300, 1)) == pytest.approx(0.5, abs=0.06)
    assert two_sample_accuracy(points(50, 0), points(50, 1, 20.0)) == 1


def test_neighbours_at_equal_distance_share_the_vote():
    same = np.zeros((10, 2))
    assert two_sample_accuracy(same, same) == pytest.approx(9 / 19)


def test_the_interval_of_a_share():
    assert share_interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert share_interval(1.0, 10)[1] == 1
    assert share_interval(0.0, 10)[0] == 0


def test_spread_by_hand():
    assert spread(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])) == pytest.approx(10 / 3)
    assert spread(np.zeros((1, 2))) == 0


def test_distances_equal_a_naive_twin_and_vanish_between_the_same():
    a, b = points(7, 0, 100.0), points(5, 1, 100.0)
    b[2] = a[3]
    found = distances(a, b)
    np.testing.assert_allclose(found, [[np.linalg.norm(x - y) for y in b] for x in a], rtol=1e-9)
    assert found[3, 2] == 0


def test_pixel_distances_equal_a_naive_twin():
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 2, 8, 9)).astype(np.float32), rng.random((5, 2, 8, 9)).astype(np.float32)
    slow = [[np.sqrt(np.mean((x.astype(float) - y) ** 2)) for y in b] for x in a]
    np.testing.assert_allclose(pixel_distances(a, b), slow, rtol=1e-6)
    assert np.diag(pixel_distances(a, a)).max() < 1e-7


def test_the_nearest_crop_is_found(library):
    index, distance = nearest_crops(library[[7, 3]] * 0.99, library)
    assert index.tolist() == [7, 3]
    np.testing.assert_allclose(distance, np.sqrt((library[[7, 3]] ** 2).mean((1, 2, 3))) * 0.01, rtol=1e-3)


def test_dead_dimensions_are_dropped_and_the_rest_scaled():
    reference = points(200, 0, 3.0, 5.0, d=3)
    reference[:, 1] = 7
    standardise = Standardiser(reference)
    found = standardise(reference)
    assert found.shape == (200, 2)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(found.std(0), 1)
    assert standardise(np.full((2, 3), 1e9)).shape == (2, 2)


def test_a_reference_without_any_variance_leaves_nothing():
    assert Standardiser(np.ones((5, 3)))(np.zeros((2, 3))).shape == (2, 0)
