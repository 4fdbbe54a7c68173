"""Properties found and proven on files, with networks that see only what they were built to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import audited
from synthetic_library import make_samples
from torch import nn

from foveal.samples import encode_png
from foveal.samples.transform import ImageTransform
from foveal_audit.bench import ModelBench
from foveal_audit.properties import PropertySettings, find_properties
from foveal_audit.properties.measuring import measure
from foveal_audit.properties.profile import Profile
from foveal_audit.properties.signs import covered, false_answers
from foveal_audit.properties.splitting import Split
from foveal_audit.properties.tiles import as_values
from foveal_audit.properties.transfer import Roles, transfer

SIDE, NUMBER = 48, 150
SETTINGS = PropertySettings(pairs=48)


class NoiseNet(nn.Module):
    """Class 1 for noise or a bright disc, class 0 for neither."""

    def __init__(self, noise=250.0):
        super().__init__()
        self.noise = noise

    def forward(self, x):
        steps = (x[:, :, 1:] - x[:, :, :-1]).abs().median(2)[0].median(2)[0][:, 0]
        disc = nn.functional.avg_pool2d(x, 6, 1).amax((2, 3))[:, 0]
        score = self.noise * (steps - 0.035).relu() + 20 * (disc - 0.8)
        return torch.stack([-score.clamp(-6, 6) / 2, score.clamp(-6, 6) / 2], dim=1)


def draw(rng, disc, noisy):
    image = 0.45 + (0.08 if noisy else 0.01) * rng.normal(size=(SIDE, SIDE))
    if disc:
        y, x = np.mgrid[:SIDE, :SIDE] - rng.integers(8, SIDE - 8, 2)[:, None, None]
        image[np.hypot(y, x) < 5] += 0.45
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)[..., None]


def deployed(module):
    transform = ImageTransform(size=(SIDE, SIDE), channels=1, mean=(0.0,), std=(1.0,))
    return replace(audited(module, labels=("plain", "disc")), transform=transform)


def study(folder, network, prevalence, leak, labelled=True):
    """Give samples on disk, the bench on them, and which of them are noisy."""
    rng = np.random.default_rng(0)
    disc = np.arange(NUMBER) % 2 == 1
    noisy = rng.uniform(size=NUMBER) < np.where(disc, prevalence, leak)
    origins = [str(folder / f"{n:03}.png") for n in range(NUMBER)]
    for n, origin in enumerate(origins):
        Path(origin).write_bytes(encode_png(draw(rng, disc[n], noisy[n])))
    labels = np.where(disc, "disc", "plain") if labelled else None
    sources, model, shape = ["training"] * NUMBER, deployed(network), (SIDE, SIDE, 1)
    bench = ModelBench(model, make_samples(sources, origins=origins, shape=shape))
    predicted = bench.probabilities([bench.pixels(n) for n in range(NUMBER)]).argmax(axis=1)
    samples = make_samples(sources, predicted, labels, origins, shape)
    return samples, bench, noisy


def agreement(facet, noisy):
    """Say in how many pictures it is right who carries the noise."""
    return (np.isin(np.arange(NUMBER), facet.windows.owner) == noisy).mean()


@pytest.fixture(scope="module")
def relied(tmp_path_factory):
    return study(tmp_path_factory.mktemp("relied"), NoiseNet(), 0.6, 0.04)


@pytest.fixture(scope="module")
def found(relied):
    samples, bench, _ = relied
    return find_properties(samples, bench, SETTINGS, np.random.default_rng(0))


def test_noise_that_the_network_relies_on_is_found_and_proven(relied, found):
    (facet,), noisy = found, relied[2]
    assert (facet.unit.name, facet.number, facet.outcome) == ("class:1", 1000, 1)
    assert agreement(facet, noisy) >= 0.97
    assert facet.transferred.component in ("spectrum", "detail")
    assert facet.transferred.fidelity > 0.6
    assert facet.paste.low > 0.2
    assert facet.transferred.paste_logit.low > 0.5
    assert facet.p < 1e-3
    assert facet.mediation is None


def test_windows_are_whole_pictures_that_can_be_looked_at(relied, found):
    samples, bench, _ = relied
    windows = found[0].windows
    assert {tuple(box) for box in windows.boxes.tolist()} == {(0, 0, SIDE, SIDE)}
    np.testing.assert_array_equal(windows.crop(3), bench.pixels(windows.owner[3]))
    assert windows.ids[0] == f"whole:{samples.sha256[windows.owner[0]][:24]}"
    assert (windows.activation > 0).all()
    assert windows.take(np.array([1, 2])).detail.shape == (2, 32, 32)
    assert windows.maps[0].shape == (1, 1)


def test_the_same_seed_gives_the_same(relied, found):
    samples, bench, _ = relied
    (again,) = find_properties(samples, bench, SETTINGS, np.random.default_rng(0))
    assert again.signals == found[0].signals
    assert again.paste == found[0].paste


def test_a_network_that_ignores_the_noise_is_not_accused(tmp_path):
    samples, bench, noisy = study(tmp_path, NoiseNet(noise=0.0), 0.6, 0.04)
    (facet,) = find_properties(samples, bench, SETTINGS, np.random.default_rng(0))
    assert agreement(facet, noisy) >= 0.97
    assert facet.paste.estimate < 0.05
    assert facet.removal.estimate < 0.05


def test_noise_in_all_classes_alike_is_no_property_of_any(tmp_path):
    samples, bench, _ = study(tmp_path, NoiseNet(noise=0.0), 0.4, 0.4)
    assert find_properties(samples, bench, SETTINGS, np.random.default_rng(0)) == []


def test_without_labels_the_answers_are_the_classes(tmp_path):
    samples, bench, noisy = study(tmp_path, NoiseNet(), 0.6, 0.04, labelled=False)
    (facet,) = find_properties(samples, bench, SETTINGS, np.random.default_rng(0))
    assert agreement(facet, noisy) >= 0.97
    assert "property_false_answers" not in facet.signals
    assert facet.paste.low > 0.2


def test_regions_leave_their_tiles_out(relied):
    samples, bench, _ = relied
    rois = {str(name): np.array([[0, 0, 30, 30]]) for name in samples.names[::2]}
    (facet,) = find_properties(samples, bench, SETTINGS, np.random.default_rng(0), rois)
    assert facet.signals["property_background"].value > 0.8


def test_nothing_is_said_of_pictures_that_are_gone_or_of_one_class(relied):
    samples, bench, _ = relied
    gone = make_samples(["training"] * 4)
    nothing = ModelBench(deployed(NoiseNet()), gone)
    assert find_properties(gone, nothing, SETTINGS, np.random.default_rng(0)) == []
    alike = make_samples(["training"] * NUMBER, np.zeros(NUMBER), None, samples.origins, (SIDE, SIDE, 1))
    assert find_properties(alike, bench, SETTINGS, np.random.default_rng(0)) == []


def test_too_few_pictures_of_a_role_are_not_tested(relied):
    _, bench, _ = relied
    few, many = np.arange(3), np.arange(20)
    profile = Profile({"noise": 1.0}, {"noise": 1.0})
    assert transfer(bench, Roles.of(few, many, many), profile, 1, np.random.default_rng(0), 8) is None
    assert Roles.of(many, few, many + 20).controls.tolist() == (many + 20).tolist()


def test_false_answers_are_a_difference_of_shares():
    own = np.arange(40) < 10
    carries = np.isin(np.arange(40), [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    answered = own | np.isin(np.arange(40), [10, 11, 12, 13, 14, 30, 31])
    split = Split("noise", 1, 0.5, carries[:, None].astype(np.float32), own, 0.0)
    found = false_answers(split, answered)
    assert found.value == pytest.approx(5 / 10 - 2 / 20)
    assert 0.01 < found.p < 0.1
    assert false_answers(Split("noise", 1, 0.5, own[:, None].astype(np.float32), own, 0.0), answered) is None


def test_a_box_reaches_into_the_tiles_that_it_overlaps():
    found = covered(np.array([10, 16, 17, 32]), (64, 64, 3)).reshape(4, 4)
    assert np.argwhere(found).tolist() == [[0, 1], [1, 1]]


def test_a_profile_is_one_where_changed_pictures_differ_as_carriers_do():
    rng = np.random.default_rng(0)
    noisy, plain = ([draw(rng, False, noise) for _ in range(20)] for noise in (True, False))

    class Given:
        def pixels(self, sample):
            return (noisy + plain)[sample]

    measured = measure(Given(), range(40))[1]
    profile = Profile.of(measured, np.arange(40) < 20)
    assert profile.along(noisy, plain) == pytest.approx(1, abs=0.05)
    assert profile.along(plain, plain) == 0
    assert profile.along(plain, noisy) < 0


def test_shares_come_back_as_pixels_of_the_samples_own_bits():
    shares = np.array([[[-0.2], [0.5], [1.7]]], dtype=np.float32)
    assert as_values(shares, np.zeros((1, 3, 1), np.uint8)).ravel().tolist() == [0, 128, 255]
    assert as_values(shares, np.zeros((1, 3, 1), np.uint16)).ravel().tolist() == [0, 32768, 65535]
