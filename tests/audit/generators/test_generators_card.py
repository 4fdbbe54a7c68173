import json
from dataclasses import replace

import numpy as np
import pytest

from foveal_audit.generators import fit_generator, quality_card
from foveal_audit.generators.card import ActivationShares
from foveal_audit.generators.generator import Origin
from foveal_audit.generators.mixture import Mixture
from foveal_audit.generators.pca import PcaGenerator, PrincipalAxes


def corner_features(crops):
    """Some 24 features that differ between crops: means of small blocks."""
    n = len(crops)
    return crops[:, :, 4:28, 4:28].reshape(n, -1, 6, 4, 6, 4).mean((3, 5)).reshape(n, -1)


def stub(decode, latent_dim=1, asked="pca-gmm", shape=(1, 32, 32), n_crops=150):
    """A generator whose latents are standard normal and whose pictures are whatever ``decode`` says."""
    size = int(np.prod(shape))

    class Stub(PcaGenerator):
        def _decode(self, z):
            return decode(z)

    flat = np.zeros(size, np.float32)
    axes = PrincipalAxes(
        flat, np.zeros((size, latent_dim), np.float32), np.zeros((latent_dim, size), np.float32)
    )
    unit = Mixture(
        np.ones(1, np.float32), np.zeros((1, latent_dim), np.float32), np.ones((1, latent_dim), np.float32)
    )
    origin = Origin(asked, n_crops, 0)
    return Stub(shape, np.ones(latent_dim, np.float32), unit, axes, origin=origin)


@pytest.fixture(scope="module")
def crops(spiky):
    return spiky(1000, seed=5)


@pytest.fixture
def fresh(crops):
    """A generator that hands out real crops nobody has seen: as good as can be."""
    pool = iter(crops[240:])
    return stub(lambda z: np.stack([next(pool) for _ in z]))


def test_real_against_real_cannot_be_told_apart(crops, fresh):
    card = quality_card(fresh, crops[:150], crops[150:210], corner_features, seed=0)
    assert card["c2st"] == pytest.approx(0.5, abs=0.08)
    low, high = card["c2st_interval"]
    assert low < 0.5 < high
    assert card["density"] == pytest.approx(1, abs=0.25)
    assert card["coverage"] > 0.85
    assert card["diversity"] == pytest.approx(1, abs=0.1)
    assert card["nearest_ratio"] == pytest.approx(1, abs=0.05)
    assert card["ceiling"]["c2st"] == pytest.approx(card["c2st"], abs=0.1)
    assert (card["copies"], card["memorised"], card["duplicates"]) == (0, False, 0)
    assert card["notes"] == []


def test_a_generator_that_always_draws_the_mean_is_caught(crops):
    mean = crops[:150].mean(0)
    always = stub(lambda z: np.stack([mean] * len(z)))
    card = quality_card(always, crops[:150], crops[150:210], corner_features)
    assert card["diversity"] == 0
    assert card["c2st"] > card["ceiling"]["c2st"] + 0.1
    assert card["notes"] == [
        (
            "By edges, colours and coarse shape generated crops are told from real ones in 100% of cases "
            "(50% is ideal): read them as sketches."
        ),
        (
            "Generated crops differ among themselves only 0% as much as real ones: "
            "do not read them as the range of variants."
        ),
    ]


def test_a_generator_that_always_draws_something_else_is_caught(crops):
    upside_down = 1 - crops[0]
    always = stub(lambda z: np.stack([upside_down] * len(z)))
    card = quality_card(always, crops[:150], crops[150:210], corner_features)
    assert (card["c2st"], card["coverage"], card["density"]) == (1, 0, 0)
    assert card["notes"][:3] == [
        "Generated crops are told from real ones in 100% of cases (50% is ideal): read them as sketches.",
        (
            "By edges, colours and coarse shape generated crops are told from real ones in 100% of cases "
            "(50% is ideal): read them as sketches."
        ),
        "Generated crops come near only 0% of the held-out ones: some variants are never drawn.",
    ]


def test_a_generator_that_hands_out_its_training_crops_is_caught(crops):
    train = crops[:150]

    def recall(z):
        return train[(np.abs(z[:, 0]) * 1000).astype(int) % 150]

    card = quality_card(stub(recall), train, crops[150:210], corner_features)
    assert (card["copies"], card["memorised"], card["nearest_ratio"]) == (1, True, 0)
    assert card["notes"] == [
        (
            "100% of the generated crops are practically copies of a training crop: "
            "none of them is shown, and the generator is withheld."
        )
    ]


@pytest.mark.parametrize("kind", ["pca-gmm", "pca-vae"])
def test_twenty_copies_of_one_crop_are_flagged(crops, kind):
    train = np.repeat(crops[:1], 20, axis=0)
    card = quality_card(fit_generator(train, kind=kind), train, train[:5])
    assert card["memorised"] is True
    assert card["duplicates"] == 1
    assert card["nearest_ratio"] is None
    assert any("practically copies" in note for note in card["notes"])
    assert "100% of the training crops look the same as another one." in card["notes"]


def test_copies_with_a_trace_of_noise_are_still_copies(crops):
    rng = np.random.default_rng(0)
    train = (crops[:1] + rng.normal(0, 0.002, (60, 1, 32, 32))).clip(0, 1).astype(np.float32)
    card = quality_card(fit_generator(train, steps=20), train[:45], train[45:])
    assert card["memorised"] is True


def test_a_learned_generator_is_not_accused_of_copying(crops, vae, library):
    card = quality_card(vae, library, crops[:40])
    assert card["memorised"] is False
    assert 0.6 < card["nearest_ratio"] < 1.2


def test_the_activation_is_compared_at_the_training_quartile(crops, fresh):
    def brightness(x):
        return x.mean((1, 2, 3))

    train, heldout = crops[:150], crops[150:210]
    card = quality_card(fresh, train, heldout, corner_features, brightness)
    quartile = np.quantile(brightness(train), 0.25)
    assert card["activation"]["real"] == pytest.approx(np.median(brightness(heldout)), abs=1e-4)
    assert card["activation"]["real_share"] == pytest.approx(
        (brightness(heldout) >= quartile).mean(), abs=1e-4
    )
    assert card["activation"]["generated_share"] == pytest.approx(0.75, abs=0.1)

    dull = stub(lambda z: np.zeros((len(z), 1, 32, 32), np.float32))
    weak = quality_card(dull, train, heldout, corner_features, brightness)
    assert weak["activation"]["generated_share"] == 0
    assert weak["notes"][-1] == (
        "Only 0% of the generated crops excite the unit as most real ones do "
        f"({weak['activation']['real_share']:.0%}): what excites it is missing from the pictures."
    )
    assert weak["activation"]["relative"] == 0
    assert set(weak["activation"]) == set(ActivationShares.__annotations__)


def test_few_crops_are_said_to_be_few(crops):
    generator = fit_generator(crops[:30], kind="pca-vae")
    card = quality_card(generator, crops[:30], crops[30:38])
    assert card["notes"][:3] == [
        "Learned from only 30 crops: expect coarse pictures and missing variants.",
        "Too few crops for pca-vae: pca-gmm was learned instead.",
        "Only 8 crops were held out: the figures are rough.",
    ]
    assert card["origin"] == {"asked": "pca-vae", "n_crops": 30, "seed": 0, "steps": 0}


@pytest.mark.parametrize("held_out", [0, 3])
def test_without_held_out_crops_nothing_is_claimed(crops, gmm, held_out):
    card = quality_card(gmm, crops[:120], crops[120 : 120 + held_out], activation=lambda x: x.mean((1, 2, 3)))
    unmeasured = ("c2st", "c2st_interval", "density", "coverage", "diversity", "ceiling")
    assert [card[name] for name in unmeasured] == [None] * 6
    assert card["notes"] == [f"Only {held_out} crops were held out: quality could not be measured."]
    assert card["nearest_ratio"] > 0.5  # measured against the training crops themselves


def test_the_figures_average_different_draws(crops, fresh):
    seeds = []
    fresh.draw = lambda n, seed: seeds.append(seed) or np.zeros((n, 1), np.float32)
    quality_card(fresh, crops[:60], crops[60:90], corner_features, seed=7)
    assert seeds[:6] == [7, 8, 9, 10, 11, 12]  # one to look for copies, five to compare


def test_the_card_is_plain_json_and_the_same_every_time(crops, gmm):
    card = quality_card(gmm, crops[:60], crops[60:90], corner_features, seed=3)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert quality_card(gmm, crops[:60], crops[60:90], corner_features, seed=3) == card


def test_where_the_generator_comes_from_does_not_change_what_it_draws(gmm):
    other = replace(gmm, origin=Origin("pca-vae", 1, 9))
    np.testing.assert_array_equal(other.sample(3, 0), gmm.sample(3, 0))
