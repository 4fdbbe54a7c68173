import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from foveal_audit.generators.losses import (
    feature_distance,
    kl_to_unit,
    laplacian_bands,
    laplacian_l1,
)


@pytest.mark.parametrize(("side", "sides"), [(8, [8]), (16, [16, 8]), (32, [32, 16, 8]), (33, [32, 16, 8])])
def test_bands_halve_down_to_eight_pixels(side, sides):
    assert [band.shape[2] for band in laplacian_bands(torch.rand(1, 2, side, side))] == sides


def test_bands_add_up_to_the_image():
    x = torch.rand(2, 3, 32, 16)
    *bands, image = laplacian_bands(x)
    for band in reversed(bands):
        image = band + functional.interpolate(image, scale_factor=2.0)
    torch.testing.assert_close(image, x)


def test_a_difference_in_brightness_lies_in_the_coarse_rest_alone():
    x = torch.rand(1, 1, 16, 16)
    bands = laplacian_bands(x), laplacian_bands(x + 0.5)
    assert laplacian_l1(*bands).item() == pytest.approx(2 * 0.5, abs=1e-5)  # level 1 weighs double


def test_feature_distance_is_relative_to_each_map():
    real = [torch.tensor([2.0, 4.0]), torch.tensor([100.0])]
    made = [torch.tensor([2.0, 1.0]), torch.tensor([150.0])]
    assert feature_distance(real, made).item() == pytest.approx((1.5 / 3 + 0.5) / 2)


def test_divergence_equals_that_of_torch():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_to_unit(mean, log_variance), expected)
