import numpy as np
import pytest
import torch
from torch import nn

from foveal_audit.generators import fit_generator
from foveal_audit.generators.losses import laplacian_bands, laplacian_l1
from foveal_audit.generators.networks import Decoder, Encoder
from foveal_audit.generators.storage import weights_bytes
from foveal_audit.generators.vae import sort_axes

SHAPES = [(1, 8, 8), (3, 9, 13), (2, 20, 16), (4, 33, 40), (3, 64, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["pca-vae", "pca-gmm"])
def test_any_size_and_number_of_channels(spiky, shape, kind):
    crops = spiky(40, shape)
    generator = fit_generator(crops, kind=kind, steps=2)
    assert (generator.kind, generator.shape) == (kind, shape)
    z = generator.encode(crops)
    assert z.shape == (40, generator.latent_dim)
    assert z.dtype == np.float32
    made = generator.decode(z)
    assert made.shape == crops.shape
    assert made.dtype == np.float32
    assert 0 <= made.min() <= made.max() <= 1
    assert generator.axis_sd.shape == (generator.latent_dim,)
    assert generator.sample(3, 0).shape == (3, *shape)
    assert generator.sample(0, 0).shape == (0, *shape)


def test_before_the_first_step_it_is_pca(library, gmm):
    start = fit_generator(library, steps=0)
    z = gmm.encode(library)
    order = np.abs(np.corrcoef(start.encode(library).T, z.T)[: gmm.latent_dim, gmm.latent_dim :]).argmax(1)
    np.testing.assert_array_equal(np.sort(order), np.arange(gmm.latent_dim))  # the same axes
    np.testing.assert_allclose(start.decode(start.encode(library)), gmm.decode(z), atol=1e-4)


def test_learning_draws_crops_closer_than_pca_does(library, gmm, vae):
    def distance(generator):
        made = generator.decode(generator.encode(library))
        real, drawn = (laplacian_bands(torch.from_numpy(x)) for x in (library, made))
        return laplacian_l1(real, drawn).item()

    assert distance(vae) < 0.97 * distance(gmm)


def test_axes_are_ordered_by_how_much_they_change_the_picture(vae, library):
    z = vae.encode(library)
    centre, sd = z.mean(0), z.std(0)
    ends = [np.stack([centre - sd * axis, centre + sd * axis]) for axis in np.eye(vae.latent_dim)]
    # unclipped: the order was made on what the network draws before it is limited to [0, 1]
    with torch.no_grad():
        change = [
            float(vae.decoder(torch.from_numpy(e.astype(np.float32))).diff(dim=0).pow(2).mean()) for e in ends
        ]
    assert (np.diff(change) <= 1e-6).all()
    np.testing.assert_allclose(vae.axis_sd, sd, rtol=1e-4)


def test_sorting_axes_changes_their_order_and_nothing_else():
    torch.manual_seed(0)
    encoder, decoder = Encoder((2, 16, 16), 5), Decoder((2, 16, 16), 5)
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        nn.init.normal_(parameter, std=0.05)
    x = torch.randn(30, 2, 16, 16)
    with torch.no_grad():
        z, spread = encoder(x)
        drawn = decoder(z)
        sorted_z = sort_axes(encoder, decoder, x)
        after, sorted_spread = encoder(x)
        torch.testing.assert_close(decoder(after), drawn, atol=1e-4, rtol=1e-4)
    order = [int((z - column[:, None]).abs().sum(0).argmin()) for column in after.T]
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order != [0, 1, 2, 3, 4]
    np.testing.assert_allclose(sorted_z, z[:, order].numpy(), atol=1e-5)
    torch.testing.assert_close(sorted_spread, spread[:, order])
    ends = [
        torch.stack([after.mean(0) + k * after.std(0, correction=0) * e for k in (-1, 1)])
        for e in torch.eye(5)
    ]
    with torch.no_grad():
        change = [float((decoder(pair)[1] - decoder(pair)[0]).pow(2).mean()) for pair in ends]
    assert change == sorted(change, reverse=True)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(spiky):
    crops = spiky(40, (1, 16, 16))
    first, second, other = (weights_bytes(fit_generator(crops, seed=s, steps=5)) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_the_callers_random_state_threads_and_grad_mode_do_not_matter_nor_change(spiky):
    crops = spiky(40, (1, 16, 16))
    expected = weights_bytes(fit_generator(crops, steps=5))
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode():
            found = weights_bytes(fit_generator(crops, steps=5))
            assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert found == expected
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def audited():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2)).eval()


def test_the_audited_network_is_looked_at_and_left_alone(spiky, audited):
    crops = (spiky(40, (1, 16, 16)) > 0.5).astype(np.float32)  # what is made of black and white overshoots
    before = {name: value.clone() for name, value in audited.state_dict().items()}
    seen = []

    def perceptual(x):
        seen.append((float(x.detach().min()), float(x.detach().max())))
        return [audited(x)]

    fit_generator(crops, steps=4, perceptual=perceptual)
    assert len(seen) == 8  # real and made, per step
    assert min(low for low, _ in seen) >= 0
    assert max(high for _, high in seen) <= 1
    assert all(parameter.grad is None for parameter in audited.parameters())
    assert all(torch.equal(before[name], value) for name, value in audited.state_dict().items())


def test_the_perceptual_term_brings_its_features_closer(library, audited):
    def distance(generator):
        with torch.no_grad():
            real, made = (
                audited(torch.from_numpy(x)) for x in (library, generator.decode(generator.encode(library)))
            )
        return float((real - made).abs().mean())

    plain = fit_generator(library, steps=60)
    guided = fit_generator(library, steps=60, perceptual=lambda x: [audited(x)])
    assert distance(guided) < distance(plain)


def test_flat_crops_are_not_blown_up():
    crops = np.full((40, 1, 16, 16), 0.5, np.float32)
    made = fit_generator(crops, steps=3).sample(5, 0)
    np.testing.assert_allclose(made, 0.5, atol=0.01)


def test_wrong_shapes_are_named(vae):
    with pytest.raises(ValueError, match=r"latents must be \(n, 12\), got \(3, 5\)"):
        vae.decode(np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match=r"crops must be \(n, 1, 32, 32\), got \(2, 3, 32, 32\)"):
        vae.encode(np.zeros((2, 3, 32, 32), np.float32))


def test_more_crops_than_a_batch_are_decoded_alike(vae):
    z = vae.draw(300, 0)
    np.testing.assert_allclose(vae.decode(z)[290:], vae.decode(z[290:]), atol=1e-5)
    crops = vae.decode(z)
    np.testing.assert_allclose(vae.encode(crops)[290:], vae.encode(crops[290:]), atol=1e-4)
