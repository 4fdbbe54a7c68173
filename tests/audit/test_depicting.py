"""The pictures of a facet: its strongest crops, one a sample, as eight bits."""

from __future__ import annotations

import numpy as np
from planted import ShapesNet, audited
from synthetic_library import make_samples, make_windows, stripes_crop

from foveal_audit.depicting import _typical, draw_generator, facet_evidence
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.settings import AuditSettings
from foveal_audit.units.unit import Unit


def crops(number):
    rng = np.random.default_rng(0)
    return [stripes_crop(rng, True) for _ in range(number)]


def test_the_strongest_window_of_the_strongest_samples_comes_first():
    windows = make_windows(crops(6), owner=[3, 3, 1, 2, 1, 0], activation=[1, 5, 9, 2, 8, 9])
    assert _typical(windows) == [2, 5, 1, 3]


def test_no_more_than_twelve_are_shown():
    assert len(_typical(make_windows(crops(30)))) == 12


def test_sixteen_bits_are_shown_as_eight():
    deep = [crop.astype(np.uint16) * 257 for crop in crops(3)]
    windows, samples = make_windows(deep), make_samples(["training"] * 3)
    facet = Facet(Unit("fc1:0", "fc1", (0,), local=False), 0, windows)
    (one,) = assess([Judged(facet, 0, {}, None, None, None)], samples, "f" * 64, (), 0)
    shown = facet_evidence(one, windows, samples, None)
    for crop, original in zip(shown.crops, crops(3), strict=True):
        np.testing.assert_array_equal(crop, original)
    assert [ref.sample for ref in shown.refs] == ["s0000", "s0001", "s0002"]
    assert shown.generated == ()


def draw(number, settings):
    samples = make_samples(["training"] * number, shape=(24, 24, 1))
    return draw_generator(make_windows(crops(number)), samples, audited(ShapesNet()), settings)


def test_too_few_crops_teach_no_generator():
    assert draw(5, AuditSettings(generator_steps=2)) is None


def test_a_generator_is_the_same_every_time(monkeypatch):
    monkeypatch.setattr("foveal_audit.depicting._MOST_CROPS", 30)
    settings = AuditSettings(generator_steps=2, seed=3)
    first, second = (draw(40, settings).learned for _ in range(2))
    np.testing.assert_array_equal(first.generator.sample(4, 0), second.generator.sample(4, 0))
    assert len(first.crops) == 30
