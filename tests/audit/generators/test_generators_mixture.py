import warnings

import numpy as np
import pytest

from foveal_audit.generators.mixture import Mixture


def two_heaps(n=400):
    rng = np.random.default_rng(0)
    left = rng.normal([-3, 0], [0.5, 1.0], (n // 4, 2))
    right = rng.normal([1, 2], [0.3, 0.6], (n - n // 4, 2))
    return np.concatenate([left, right]).astype(np.float32)


def test_draws_have_the_mixtures_mean_and_covariance():
    mixture = Mixture(
        np.array([0.25, 0.75], np.float32),
        np.array([[-2, 0], [1, 1]], np.float32),
        np.array([[0.5, 1], [0.2, 0.3]], np.float32),
    )
    drawn = mixture.draw(40_000, seed=3)
    share, means, sds = (np.asarray(a, float) for a in (mixture.weights, mixture.means, mixture.sds))
    mean = share @ means
    outer = sum(
        w * (np.diag(s**2) + np.outer(m - mean, m - mean)) for w, m, s in zip(share, means, sds, strict=True)
    )
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), outer, atol=0.04)
    assert (drawn[:, 0] < -0.5).mean() == pytest.approx(0.25, abs=0.01)


def test_a_fit_finds_what_was_drawn():
    latents = two_heaps()
    drawn = Mixture.fit(latents, seed=0).draw(20_000, seed=1)
    np.testing.assert_allclose(drawn.mean(0), latents.mean(0), atol=0.06)
    np.testing.assert_allclose(drawn.std(0), latents.std(0), rtol=0.05)
    assert (drawn[:, 0] < -1).mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(("n", "components"), [(12, 1), (29, 1), (30, 2), (100, 6), (1000, 40)])
def test_components_grow_with_the_crops(n, components):
    latents = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    assert len(Mixture.fit(latents, seed=0).weights) == components


def test_repeated_latents_do_not_make_components():
    latents = np.repeat(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), 50, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = Mixture.fit(latents, seed=0)
    assert len(mixture.weights) == 1


def test_the_same_seed_draws_the_same():
    mixture = Mixture.fit(two_heaps(), seed=0)
    np.testing.assert_array_equal(mixture.draw(9, 5), mixture.draw(9, 5))
    assert not np.array_equal(mixture.draw(9, 5), mixture.draw(9, 6))
    assert mixture.draw(0, 5).shape == (0, 2)


def test_storage_gives_it_back():
    mixture = Mixture.fit(two_heaps(), seed=0)
    again = Mixture.restore(mixture.tensors())
    np.testing.assert_array_equal(again.draw(9, 5), mixture.draw(9, 5))
