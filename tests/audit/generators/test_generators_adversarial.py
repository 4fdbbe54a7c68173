import numpy as np
import pytest
import torch

from foveal_audit.generators import fit_generator
from foveal_audit.generators.storage import weights_bytes
from foveal_audit.generators.vae_gan import Critic, HingeAdversary

KINDS = ["vae-gan", "dcgan"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 9, 13), (4, 33, 40), (1, 128, 128)])
def test_any_size_and_number_of_channels(spiky, kind, shape):
    crops = spiky(100, shape)
    generator = fit_generator(crops, kind=kind, steps=2)
    assert (generator.kind, generator.shape) == (kind, shape)
    made = generator.sample(5, 0)
    assert made.shape == (5, *shape)
    assert made.dtype == np.float32
    assert 0 <= made.min() <= made.max() <= 1
    assert generator.encode(crops).shape == (100, generator.latent_dim)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(spiky, kind):
    crops = spiky(100, (1, 16, 16))
    first, second, other = (
        weights_bytes(fit_generator(crops, kind=kind, seed=seed, steps=5)) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


@pytest.mark.parametrize(("kind", "instead"), [("vae-gan", "pca-vae"), ("dcgan", "pca-gmm")])
def test_fewer_than_a_hundred_crops_teach_the_simpler_kind(library, kind, instead):
    few = fit_generator(library[:99], kind=kind, steps=1)
    assert (few.kind, few.origin.asked) == (instead, kind)
    assert fit_generator(library[:30], kind=kind, steps=1).kind == "pca-gmm"


def test_before_the_first_step_the_vae_gan_is_the_vae(library):
    first, second = (fit_generator(library, kind=kind, steps=0) for kind in ("vae-gan", "pca-vae"))
    z = second.draw(4, 0)
    np.testing.assert_array_equal(first.decode(z), second.decode(z))


def test_the_adversary_changes_what_is_learned_and_stays_finite(library):
    with_one, without = (fit_generator(library, kind=kind, steps=8) for kind in ("vae-gan", "pca-vae"))
    z = without.draw(4, 0)
    assert np.isfinite(with_one.decode(z)).all()
    assert not np.allclose(with_one.decode(z), without.decode(z), atol=1e-4)


def test_the_critic_learns_to_tell_bright_from_dark_and_pulls_the_dark_up():
    torch.manual_seed(0)
    adversary = HingeAdversary(Critic((1, 32, 32)), grain=0.1, seed=0)
    dark = torch.full((8, 1, 16, 16), -1.0, requires_grad=True)
    for _ in range(60):
        loss = adversary.pull(torch.ones(8, 1, 16, 16), dark)
    (gradient,) = torch.autograd.grad(loss, dark)
    assert loss > 0.5  # dark crops score below zero
    assert gradient.mean() < 0  # brighter would score higher


def test_a_dcgan_learns_the_level_of_the_crops_and_reads_its_own_draws(library):
    generator = fit_generator(library, kind="dcgan", steps=60)
    made = generator.sample(64, 0)
    assert made.mean() == pytest.approx(library.mean(), abs=0.1)
    z = generator.draw(200, 3)
    back = generator.encode(generator.decode(z))
    assert np.corrcoef(z[:, 0], back[:, 0])[0, 1] > 0.5


def test_axes_of_a_dcgan_are_ordered_by_how_much_they_change_the_picture(library):
    generator = fit_generator(library, kind="dcgan", steps=10)
    ends = np.eye(generator.latent_dim, dtype=np.float32)
    change = ((generator.decode(ends) - generator.decode(-ends)) ** 2).mean((1, 2, 3))
    assert (np.diff(change) <= 1e-9).all()
