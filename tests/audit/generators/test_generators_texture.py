from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from foveal_audit.generators.appearance import PlainEyes
from foveal_audit.generators.choosing import choose_grain
from foveal_audit.generators.crops import flat
from foveal_audit.generators.texture import Texture


def noise(n, blur, spread=0.1, channels=1):
    rng = np.random.default_rng(3)
    field = gaussian_filter(rng.standard_normal((n, channels, 32, 32)), (0, 0, blur, blur))
    return spread * field / field.std()


def neighbours(field):
    """Correlation of pixels one apart."""
    return np.corrcoef(field[..., 1:].ravel(), field[..., :-1].ravel())[0, 1]


@pytest.mark.parametrize("blur", [0.01, 0.8, 1.5])
def test_grain_is_as_strong_and_as_coarse_as_what_was_measured(blur):
    real = noise(200, blur)
    grain = Texture.fit(real)
    made = grain.grain(grain.draw(200, 0))
    assert made.std() == pytest.approx(real.std(), rel=0.05)
    assert neighbours(made) == pytest.approx(neighbours(real), abs=0.06)


def test_grain_is_strong_where_it_was_strong():
    real = noise(200, 0.01)
    real[..., :16] *= 3
    made = Texture.fit(real)
    drawn = made.grain(made.draw(200, 0))
    assert drawn[..., :12].std() / drawn[..., 20:].std() == pytest.approx(3, rel=0.1)


def test_channels_go_together_as_they_did():
    grey = noise(100, 0.8)
    real = np.concatenate([grey, grey, noise(200, 0.8)[100:]], axis=1)
    texture = Texture.fit(real)
    made = texture.grain(texture.draw(200, 0)).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(
        np.corrcoef(made), np.corrcoef(real.transpose(1, 0, 2, 3).reshape(3, -1)), atol=0.05
    )


def test_no_residual_no_grain():
    texture = Texture.fit(np.zeros((20, 1, 16, 16)))
    np.testing.assert_array_equal(texture.grain(texture.draw(3, 0)), 0)


def test_the_same_seed_draws_the_same_and_strength_is_proportional():
    texture = Texture.fit(noise(50, 0.8))
    white = texture.draw(4, 9)
    np.testing.assert_array_equal(white, texture.draw(4, 9))
    assert not np.array_equal(white, texture.draw(4, 8))
    np.testing.assert_allclose(texture.scaled(0.5).grain(white), 0.5 * texture.grain(white), atol=1e-7)


def test_grain_is_chosen_where_pictures_lack_it_and_only_there(spiky, library, gmm):
    unseen = spiky(60, seed=9)
    chosen, strength = choose_grain(gmm, library, unseen, flat, 0)
    assert strength in (0.7, 1.0)
    assert chosen.texture is not None
    smooth = gaussian_filter(library, (0, 0, 3, 3))
    blurred = gaussian_filter(unseen, (0, 0, 3, 3))
    perfect = replace(gmm)
    perfect.sample = lambda n, seed: blurred[np.random.default_rng(seed).permutation(60)[:n]]
    perfect.decode, perfect.encode = (lambda z: smooth), (lambda x: x)
    kept, none = choose_grain(perfect, smooth, blurred, flat, 0)
    assert (kept.texture, none) == (None, 0.0)


def test_with_few_crops_nothing_is_chosen(library, gmm):
    kept, strength = choose_grain(gmm, library, library[:7], flat, 0)
    assert kept is gmm
    assert strength is None


def test_without_a_texture_there_is_no_grain(gmm):
    with pytest.raises(ValueError, match="has no texture"):
        gmm.grained(gmm.sample(1, 0), np.zeros((1, 1, 32, 32), np.float32))


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (2, 40, 24)])
def test_plain_eyes_weigh_edges_colours_and_shape_alike(spiky, shape):
    crops = spiky(60, shape)
    eyes = PlainEyes(crops)
    seen = eyes(crops)
    assert seen.shape[0] == 60
    assert (seen**2).sum(1).mean() == pytest.approx(3, abs=0.05)  # one of each of the three blocks
    assert np.abs(eyes(1 - crops) - seen).mean() > 0.05
