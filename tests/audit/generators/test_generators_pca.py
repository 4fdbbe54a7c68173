import numpy as np
import pytest

from foveal_audit.generators import fit_generator
from foveal_audit.generators.pca import axes_for, principal_axes


@pytest.mark.parametrize(("n", "shape"), [(30, (1, 8, 8)), (300, (1, 8, 8)), (25, (3, 9, 11))])
def test_axes_equal_a_singular_value_decomposition(n, shape):
    crops = np.random.default_rng(0).random((n, *shape)).astype(np.float32) ** 2
    axes = principal_axes(crops, 6)
    rows = crops.reshape(n, -1).astype(float)
    _, values, directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    sds = values[:6] / np.sqrt(n)
    np.testing.assert_allclose(axes.mean, rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(axes.basis, axis=0), sds, rtol=1e-5)
    np.testing.assert_allclose(np.abs(directions[:6] @ axes.basis), np.diag(sds), atol=1e-5)


def test_the_largest_entry_of_a_direction_is_positive():
    crops = np.random.default_rng(3).random((30, 2, 8, 8))
    basis = principal_axes(crops, 10).basis
    assert (basis.max(0) == np.abs(basis).max(0)).all()


def test_a_toy_by_hand():
    step = np.zeros((1, 8, 8), np.float32)
    step[0, 2, 3] = 0.2
    crops = 0.5 + np.stack([step, -step, step, -step])
    axes = principal_axes(crops, 3)
    assert axes.basis.shape == (64, 1)  # one direction is all there is
    np.testing.assert_allclose(axes.basis[:, 0], step.ravel(), atol=1e-6)  # its largest entry is positive
    np.testing.assert_allclose(axes.scores(crops)[:, 0], [1, -1, 1, -1], atol=1e-5)


def test_latents_have_unit_scale_and_no_correlation(gmm, library):
    latents = gmm.encode(library)
    np.testing.assert_allclose(np.cov(latents.T, bias=True), np.eye(gmm.latent_dim), atol=1e-3)
    np.testing.assert_allclose(gmm.axis_sd, 1, atol=1e-3)


def test_axes_are_ordered_by_how_much_they_change_the_picture(gmm):
    change = np.linalg.norm(gmm.axes.basis, axis=0)
    assert (np.diff(change) <= 1e-6).all()


def test_encoding_undoes_decoding_where_nothing_is_clipped(gmm):
    z = np.random.default_rng(0).normal(0, 0.3, (5, gmm.latent_dim)).astype(np.float32)
    np.testing.assert_allclose(gmm.encode(gmm.decode(z)), z, atol=1e-3)


def test_crops_in_the_span_are_reconstructed():
    rng = np.random.default_rng(0)
    modes = rng.random((3, 64))
    crops = (rng.random((40, 3)) @ modes / 3).astype(np.float32).reshape(40, 1, 8, 8)
    generator = fit_generator(crops, kind="pca-gmm")
    np.testing.assert_allclose(generator.decode(generator.encode(crops)), crops, atol=1e-5)


def test_a_library_of_one_picture_gives_that_picture():
    crops = np.full((20, 1, 16, 16), 0.25, np.float32)
    generator = fit_generator(crops, kind="pca-gmm")
    assert generator.latent_dim == 1
    np.testing.assert_allclose(generator.sample(4, 0), crops[:4], atol=1e-6)
    assert not generator.encode(crops).any()


@pytest.mark.parametrize(("n", "axes"), [(12, 4), (40, 5), (100, 12), (256, 32), (9999, 32)])
def test_axes_grow_with_the_crops(n, axes):
    assert axes_for(n) == axes
