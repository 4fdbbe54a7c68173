"""All causal effects of one facet, measured on a network that looks at one corner."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TriggerNet, audited
from synthetic_library import make_samples, make_windows

from foveal.samples import encode_png
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.effects import EffectsMeasured, measure_effects
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.units.unit import Unit

NUMBER, BOX, ELSEWHERE = 120, (0, 0, 14, 14), (10, 10, 24, 24)
UNIT = Unit("contribution:0", "relu", (0,), local=True)
FOLLOWED = {
    "paste_elsewhere",
    "paste_border",
    "context_independence",
    "control_plain",
    "control_blurred",
    "control_scrambled",
    "control_elsewhere",
    "strongest_control",
    "dose_slope",
    "dose_rank",
}
MARGINS = {"removal_margin", "paste_margin"}


class Scene:
    """A hundred and twenty samples; a third have a bright corner and are class 1."""

    def __init__(self, folder, weight=20.0):
        rng = np.random.default_rng(0)
        self.marked, self.images, origins = np.arange(NUMBER) % 3 == 0, [], []
        for number, mark in enumerate(self.marked):
            pixels = rng.integers(60, 90, (24, 24, 1), dtype=np.uint8)
            if mark:
                pixels[:14, :14] = 190 + np.arange(14, dtype=np.uint8)[:, None] * 4
            self.images.append(pixels)
            origins.append(str(folder / f"{number}.png"))
            (folder / f"{number}.png").write_bytes(encode_png(pixels))
        self.samples = make_samples(
            ["training"] * NUMBER, predicted=self.marked.astype(int), origins=origins, shape=(24, 24, 1)
        )
        self.bench = ModelBench(audited(TriggerNet(weight)), self.samples)

    def measured(self, box=BOX, rows=None, unit=UNIT, pairs=64, seed=0):
        rows = np.flatnonzero(self.marked) if rows is None else rows
        y0, x0, y1, x1 = box
        windows = make_windows(
            [self.images[row][y0:y1, x0:x1] for row in rows],
            owner=rows,
            boxes=[box] * len(rows),
            layer="relu",
        )
        taken = dict.fromkeys(np.flatnonzero(self.marked).tolist(), (BOX,))
        training = self.samples.of("training")
        around = Surroundings(
            self.samples, training, np.zeros((0, 2)), np.zeros((0, 0), np.float32), taken, pairs
        )
        return measure_effects(windows, unit, 1, self.marked, around, self.bench, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"))


def test_the_corner_is_necessary_sufficient_and_mediated(scene):
    found = scene.measured()
    assert found.removal.low > 0.8
    assert found.paste.low > 0.8
    assert found.mediation.estimate == pytest.approx(1, abs=1e-6)
    assert set(found.extra) == FOLLOWED | MARGINS
    assert found.extra["removal_margin"].value > 1
    assert found.extra["paste_margin"].value > 1
    assert found.extra["dose_rank"].value > 0.9


def test_what_must_lie_in_the_corner_does_less_elsewhere(scene):
    extra = scene.measured().extra
    assert extra["paste_elsewhere"].value < 0.8
    assert extra["context_independence"].value == pytest.approx(1, abs=0.2)


def test_what_has_no_effect_is_not_followed(scene):
    found = scene.measured(ELSEWHERE)
    assert found.removal.estimate == pytest.approx(0, abs=0.05)
    assert found.paste.low <= 0.05
    assert found.mediation is None
    assert set(found.extra) == MARGINS


def test_a_logit_is_not_held(scene):
    found = scene.measured(unit=Unit("class:1", "class", (1,), local=False))
    assert found.paste.low > 0.8
    assert found.mediation is None


def test_too_few_windows_are_not_tested(scene):
    rows = np.flatnonzero(scene.marked)[: THRESHOLDS.fewest - 1]
    assert scene.measured(rows=rows) == EffectsMeasured()


def test_the_same_chance_gives_the_same_numbers(scene):
    assert scene.measured(seed=3) == scene.measured(seed=3)
    assert scene.measured(seed=3) != scene.measured(seed=4)


def test_a_sure_network_shows_its_reliance_in_margins(tmp_path):
    """Fifty times as sure: probabilities are all 0 or 1, margins are what they were."""
    plain, sure = (Scene(tmp_path, weight).measured() for weight in (20.0, 1000.0))
    for name in MARGINS:
        assert sure.extra[name].value == pytest.approx(plain.extra[name].value, rel=1e-3)
