from dataclasses import replace

import numpy as np
import pytest

from foveal_audit.generators.guidance import guided
from foveal_audit.generators.mixture import Mixture


def brightness(crops):
    return crops.mean((1, 2, 3))


@pytest.fixture
def dull(gmm, library):
    """A generator whose draws are all too dark."""
    z = gmm.encode(library)
    slope = np.linalg.lstsq(z - z.mean(0), brightness(library) - brightness(library).mean(), rcond=None)[0]
    darker = -1.2 * slope / np.linalg.norm(slope * gmm.mixture.sds.mean(0))
    return replace(gmm, mixture=gmm.mixture.tilted(darker))


def share(generator, floor):
    return (brightness(generator.sample(400, 77)) >= floor).mean()


def test_a_tilt_is_the_density_times_an_exponential():
    mixture = Mixture(*(np.array(x, np.float32) for x in ([0.3, 0.7], [[0], [2]], [[1], [0.5]])))
    slope, z = np.array([0.8]), np.linspace(-4, 6, 2001)

    def density(one):
        parts = (
            one.weights / one.sds[:, 0] * np.exp(-0.5 * ((z[:, None] - one.means[:, 0]) / one.sds[:, 0]) ** 2)
        )
        return parts.sum(1) / parts.sum()

    expected = density(mixture) * np.exp(0.8 * z)
    np.testing.assert_allclose(density(mixture.tilted(slope)), expected / expected.sum(), atol=1e-6)


def test_draws_are_brought_to_the_level_of_real_crops_and_not_beyond(dull, library):
    floor = np.quantile(brightness(library), 0.25)
    better, told = guided(dull, library, brightness, seed=0)
    assert told["share_before"] < 0.6
    assert told["share_before"] < told["share_after"] <= 0.75 + 1e-9
    assert 0 < told["moved"] <= 1.5
    assert share(better, floor) > share(dull, floor) + 0.1
    assert share(better, floor) < 0.85


def test_draws_at_the_level_of_real_crops_stay_as_they_are(gmm, library):
    kept, told = guided(gmm, library, lambda x: np.ones(len(x)), seed=0)
    assert kept is gmm
    assert told == {"moved": 0.0, "share_before": 1.0, "share_after": 1.0}


def test_a_unit_that_no_draw_excites_is_not_forced(gmm, library):
    calls = iter([np.arange(96.0)])

    def deaf(crops):
        return next(calls, np.full(len(crops), -1.0))

    kept, told = guided(gmm, library, deaf, seed=0)
    assert kept is gmm
    assert told == {"moved": 0.0, "share_before": 0.0, "share_after": 0.0}
