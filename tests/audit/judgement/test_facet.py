"""One facet measured on a network that looks at one corner, beside a decoy that it does not look at."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TriggerNet, audited
from synthetic_library import make_samples, make_windows

from foveal.samples import encode_png
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.facet import Facet, judge
from foveal_audit.judgement.signals.metadata import COINCIDES, TIED, coincidence
from foveal_audit.judgement.surroundings import Surroundings
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.units.appearance import shifted_correlation
from foveal_audit.units.unit import Unit

NUMBER, BOX, ELSEWHERE = 120, (0, 0, 14, 14), (14, 14, 24, 24)
UNIT = Unit("contribution:0", "relu", (0,), local=True)


class Scene:
    """Images of two sites: a bright corner makes class 1; a quarter of the samples is production."""

    def __init__(self, folder, marked):
        rng = np.random.default_rng(0)
        self.marked, self.images = marked, []
        origins = []
        for number, mark in enumerate(marked):
            pixels = rng.integers(60, 90, (24, 24, 1), dtype=np.uint8)
            if mark:
                pixels[:14, :14] = 190 + np.arange(14, dtype=np.uint8)[:, None] * 4
            self.images.append(pixels)
            origins.append(folder / f"{number}.png")
            origins[-1].write_bytes(encode_png(pixels))
        self.sites = np.where(marked | (rng.uniform(size=len(marked)) < 0.2), "B", "A")
        self.labels = np.where(rng.uniform(size=len(marked)) < 0.5, "x", "y")
        self.samples = make_samples(
            np.where(np.arange(len(marked)) % 4 == 3, "production", "training"),
            predicted=marked.astype(int),
            labels=self.labels,
            origins=[str(path) for path in origins],
            shape=(24, 24, 1),
            site=self.sites,
            patient=np.arange(len(marked)),
            country=["NL"] * len(marked),
        )
        self.bench = ModelBench(audited(TriggerNet()), self.samples)

    def windows(self, rows, box=BOX):
        y0, x0, y1, x1 = box
        crops = [self.images[row][y0:y1, x0:x1] for row in rows]
        return make_windows(crops, owner=rows, boxes=[box] * len(rows), layer="relu")

    def around(self, taken=None):
        rng = np.random.default_rng(1)
        starts = rng.integers(0, 10, (200, 2))
        training = self.samples.of("training")
        pool = rng.normal(size=(80, 32, 32)).astype(np.float32)
        boxes = dict.fromkeys(np.flatnonzero(self.marked).tolist(), (BOX,)) if taken is None else taken
        return Surroundings(
            self.samples, training, (starts + 7) / 24, shifted_correlation(pool), boxes, pairs=40
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("scene"), np.arange(NUMBER) % 3 == 0)


def measured(scene, windows, around=None, unit=UNIT):
    return judge(Facet(unit, 0, windows), around or scene.around(), scene.bench, np.random.default_rng(0))


def test_the_corner_is_measured_on_training_samples_alone(scene):
    judged = measured(scene, scene.windows(np.flatnonzero(scene.marked)))
    assert judged.outcome == 1
    assert judged.removal.low > 0.8
    assert judged.paste.low > 0.8
    assert judged.mediation.estimate == pytest.approx(1, abs=1e-6)
    assert judged.removal.pairs == 30  # of 40 marked samples 10 are production
    assert judged.signals["position_lock"].value == 1
    assert judged.signals["stamp_likeness"].value > 0.9
    assert judged.signals["conditional_association:site"].value > 0.5


def test_columns_that_say_nothing_are_not_asked(scene):
    judged = measured(scene, scene.windows(np.flatnonzero(scene.marked)))
    columns = {name for name in judged.signals if name.partition(":")[0] in (TIED, COINCIDES)}
    assert columns == {"conditional_association:site"}


def test_a_place_that_the_network_ignores_is_not_relied_on(scene):
    judged = measured(scene, scene.windows(np.flatnonzero(scene.marked), ELSEWHERE))
    assert judged.removal.estimate == pytest.approx(0, abs=0.05)
    assert judged.paste.low <= 0.05


def test_a_node_whose_sample_has_no_contribution_window_is_judged(scene):
    unit = Unit("relu:0", "relu", (0,), local=False)
    judged = measured(scene, scene.windows(np.flatnonzero(scene.marked)), scene.around(taken={}), unit)
    assert judged.removal.low > 0.8
    assert abs(judged.removal.controls) < 0.05  # no control lies on the node's own window


def test_same_chance_same_measurement(scene):
    windows = scene.windows(np.flatnonzero(scene.marked))
    first, second = measured(scene, windows), measured(scene, windows)
    assert first.signals == second.signals
    assert (first.removal, first.paste, first.mediation) == (second.removal, second.paste, second.mediation)


def test_fewer_entries_than_the_fewest_are_not_tested(scene):
    training = np.flatnonzero(scene.marked & scene.samples.of("training"))
    few = measured(scene, scene.windows(training[: THRESHOLDS.fewest - 1]))
    assert (few.removal, few.paste, few.mediation) == (None, None, None)
    assert measured(scene, scene.windows(training[: THRESHOLDS.fewest])).removal is not None


def test_without_foreign_samples_nothing_is_tested(tmp_path):
    scene = Scene(tmp_path, np.arange(40) < 38)
    assert measured(scene, scene.windows(np.flatnonzero(scene.marked))).paste is None


def test_a_column_that_is_the_label_is_not_taken_given_the_label(tmp_path):
    scene = Scene(tmp_path, np.arange(NUMBER) % 3 == 0)
    scene.samples.metadata["site"][:] = np.where(scene.labels == "x", "B", "A")
    judged = measured(scene, scene.windows(np.flatnonzero(scene.marked)))
    assert "coincides_with:site" in judged.signals
    assert "conditional_association:site" not in judged.signals


@pytest.mark.parametrize(
    ("groups", "outcomes", "value"),
    [([0, 0, 1, 1] * 20, [5, 5, 7, 7] * 20, 1.0), ([0, 1] * 40, [0, 0, 1, 1] * 20, 0.0)],
)
def test_coincidence_by_hand(groups, outcomes, value):
    assert coincidence(np.array(groups), np.array(outcomes)) == pytest.approx(value)


def test_facets_drawn_at_random_are_seldom_significant(scene):
    """Crops drawn from the pool, and samples whatever their site: p-values as chance gives them."""
    rng = np.random.default_rng(2)
    training = np.flatnonzero(scene.samples.of("training"))
    rows = rng.permutation(training)
    starts = rng.integers(0, 10, (len(rows), 2))
    crops = [rng.integers(0, 255, (14, 14, 1), dtype=np.uint8) for _ in rows]
    pool = make_windows(crops, owner=rows, boxes=np.concatenate([starts, starts + 14], axis=1), layer="relu")
    around = Surroundings(
        scene.samples,
        scene.samples.of("training"),
        pool.centres(scene.samples),
        shifted_correlation(pool.detail),
        {},
        pairs=10,
    )
    found = {}
    for seed in range(60):
        chosen = np.random.default_rng(seed).choice(len(pool), 18, replace=False)  # too few for causal tests
        facet = Facet(UNIT, 0, pool.take(np.sort(chosen)))
        for name, signal in judge(facet, around, scene.bench, np.random.default_rng(seed)).signals.items():
            found.setdefault(name, []).append(signal.p)
    ranked = ("position_lock", "corner_lock", "stamp_likeness", "conditional_association:site")
    for p_values in (found[name] for name in ranked):
        assert (np.array(p_values) <= 0.05).mean() <= 0.15
        assert min(p_values) > 1e-4
