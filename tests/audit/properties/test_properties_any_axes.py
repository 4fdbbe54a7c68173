"""Statistics of whole traces and volumes, and what is carried over between them."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_samples

from foveal_audit.properties.components import COMPONENTS, fitted
from foveal_audit.properties.families import FAMILIES
from foveal_audit.properties.finding import PropertySettings, find_properties
from foveal_audit.properties.signs import covered
from foveal_audit.properties.tiles import GRIDS, Batch, as_shares, as_values, is_measurable
from foveal_audit.spans import Span, span_of

LENGTH = 800


def trace(rng, *, offset=0.0, gain=1.0, noise=0.02, hum=0.0, drift=0.0, clip=np.inf, leads=1):
    """Draw beats with one thing changed."""
    t = np.arange(LENGTH)
    at = 40 + rng.integers(0, 100)
    beats = sum(np.exp(-(((t - place) / 3) ** 2) / 2) for place in range(at, LENGTH, 110))
    drawn = gain * beats + drift * t / LENGTH + hum * np.sin(2 * np.pi * t / 7.3)
    drawn = np.clip(drawn, -clip, clip) + noise * rng.normal(size=LENGTH) * (clip == np.inf) + offset
    return np.repeat(drawn[:, None], leads, axis=1).astype(np.float32)


def measured(traces):
    return {
        name: np.median(values, axis=1)
        for family in FAMILIES[1].values()
        for name, values in family(Batch(np.stack(traces))).items()
    }


@pytest.mark.parametrize(
    ("changed", "statistic", "sign"),
    [
        ({"offset": 0.2}, "offset", 1),
        ({"gain": 3.0, "noise": 0.06}, "gain", 1),
        ({"noise": 0.08}, "noise", 1),
        ({"hum": 0.1}, "hum", 1),
        ({"drift": 2.0}, "drift", 1),
        ({"clip": 0.02}, "clipped", 1),
        ({"noise": 0.002}, "noise", -1),
    ],
)
def test_each_thing_shows_in_its_statistic(changed, statistic, sign):
    rng = np.random.default_rng(0)
    plain, other = ([trace(rng, **how) for _ in range(12)] for how in ({}, changed))
    usual, found = measured(plain)[statistic], measured(other)[statistic]
    assert sign * (found.mean() - usual.mean()) > 4 * usual.std()


def test_hum_lies_in_one_octave_by_hand():
    """A period of 7.3 steps lies between 1/8 and 1/4 of the rate: the second octave from the top."""
    rng = np.random.default_rng(1)
    plain, hum = measured([trace(rng)]), measured([trace(rng, hum=0.3)])
    rises = {name: float(hum[name][0] - plain[name][0]) for name in plain if name.startswith("band")}
    assert max(rises, key=rises.get) == "band 1"


def test_leads_are_summed_up_so_that_their_number_does_not_matter():
    rng = np.random.default_rng(2)
    two, five = (measured([trace(rng, leads=leads)]) for leads in (2, 5))
    assert two.keys() == five.keys()
    assert {"offset", "offset, highest lead", "offset, lowest lead"} <= two.keys()
    one_hums = np.concatenate([trace(rng), trace(rng, hum=0.3)], axis=1)
    assert measured([one_hums])["hum, highest lead"] > measured([one_hums])["hum, lowest lead"] + 1


@pytest.mark.parametrize("axes", [1, 3])
def test_flat_and_short_samples_give_finite_numbers(axes):
    side = GRIDS[axes].smallest
    flat = Batch(np.stack([np.zeros((*[side] * axes, 2)), np.ones((*[side] * axes, 2))]).astype(np.float32))
    for family in FAMILIES[axes].values():
        for values in family(flat).values():
            assert np.isfinite(values).all()
    assert is_measurable((*[side] * axes, 2))
    assert not is_measurable((*[side - 1] * axes, 2))


def test_layers_show_along_their_axis():
    rng = np.random.default_rng(3)
    volume = rng.random((24, 24, 24, 1)).astype(np.float32)
    volume[::2] += 1
    found = FAMILIES[3]["lines"](Batch(volume[None]))
    assert found["layers along z"].min() > 0.5
    assert found["layers along x"].max() < 0.1


def test_tiles_of_a_volume_are_its_octants():
    volume = np.zeros((1, 16, 16, 16, 1), np.float32)
    volume[:, 8:, :8, 8:] = 1
    assert Batch(volume).tiles.mean(axis=(0, 2, 3, 4)).tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert np.flatnonzero(covered(np.array([8, 0, 8, 9, 1, 9]), (16, 16, 16, 1))).tolist() == [5]
    assert np.flatnonzero(covered(np.array([90, 210]), (800, 1))).tolist() == [0, 1, 2]


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("place", range(4))
def test_a_sample_takes_over_nothing_from_itself(axes, place):
    values = np.random.default_rng(4).random((*[40] * axes, 2)).astype(np.float32)
    component = list(COMPONENTS[axes].values())[place]
    np.testing.assert_allclose(component(values, values), values, atol=2e-2)


@pytest.mark.parametrize(
    ("component", "changed", "statistic", "least"),
    [
        ("amplitude", {"offset": 0.5}, "offset", 0.9),
        ("spectrum", {"hum": 0.2}, "band 1", 0.7),
        ("spectrum", {"noise": 0.1}, "noise", 0.8),
        ("drift", {"drift": 3.0}, "drift", 0.8),
    ],
)
def test_what_is_carried_over_arrives_and_the_beats_stay(component, changed, statistic, least):
    rng = np.random.default_rng(5)
    host, donor = trace(rng), trace(rng, **changed)
    moved = COMPONENTS[1][component](host, donor)
    usual, wanted, found = (measured([one])[statistic][0] for one in (host, donor, moved))
    assert (found - usual) / (wanted - usual) > least
    fine = [np.diff(one[:, 0], 4) for one in (host, moved)]
    assert np.corrcoef(*fine)[0, 1] > 0.5


def test_values_beyond_the_span_come_back_and_types_stay():
    values = np.array([[-2000], [0], [30000]], np.int16)
    span = Span((-1000.0,), (1000.0,))
    shares = as_shares(values, span)
    assert shares.ravel().tolist() == [-0.5, 0.5, 15.5]
    np.testing.assert_array_equal(as_values(shares, values, span), values)
    assert as_values(shares * 10, values, span).ravel().tolist() == [-11000, 9000, 32767]


def test_a_short_donor_is_mirrored():
    assert fitted(np.arange(3.0)[:, None], np.zeros((7, 1)))[:, 0].tolist() == [0, 1, 2, 2, 1, 0, 0]


class HumNet:
    """Class 1 where mains hum: a bench whose answers are known."""

    def __init__(self, traces):
        self.traces, self.readable = traces, np.ones(len(traces), bool)

    def pixels(self, sample):
        return self.traces[sample]

    def shown(self, sample):
        return self.traces[sample]

    def logits(self, samples):
        wave = np.exp(2j * np.pi * np.arange(LENGTH) / 7.3)
        loud = np.array([abs((one[:, 0] * wave).mean()) for one in samples])
        half = np.clip((loud - 0.03) * 80, -6, 6)
        return np.stack([-half, half], axis=1)


@pytest.fixture(scope="module")
def hum():
    """Traces of two classes; two thirds of one hum, and hardly any of the other."""
    rng = np.random.default_rng(6)
    labels = np.arange(160) % 2
    hums = (rng.random(160) < np.where(labels == 1, 0.7, 0.03)) & (np.arange(160) % 8 != 7)
    traces = [trace(rng, hum=0.12 * shown, gain=1 + 0.02 * rng.normal()) for shown in hums]
    bench = HumNet(traces)
    predicted = (bench.logits(traces)[:, 1] > 0).astype(int)
    samples = make_samples(
        ["training"] * 160, predicted, [("beat", "hum")[label] for label in labels], shape=(LENGTH, 1)
    )
    return samples, bench, hums


def test_a_hum_that_the_model_goes_by_is_found_everywhere_and_proven_by_transfer(hum):
    samples, bench, hums = hum
    (found,) = find_properties(samples, bench, PropertySettings(pairs=24), np.random.default_rng(0))
    carriers = np.zeros(len(hums), bool)
    carriers[found.windows.owner] = True
    assert (carriers == hums).mean() > 0.95
    assert found.transferred.component in ("spectrum", "detail")
    assert found.paste.low > 0.3
    assert found.signals["property_ubiquity"].value > 0.8
    assert found.windows.boxes[0].tolist() == [0, LENGTH]
    np.testing.assert_array_equal(found.windows.crop(0), bench.pixels(found.windows.owner[0]))
    assert span_of([found.windows.crop(0)]) == span_of([bench.pixels(found.windows.owner[0])])
