"""Walking a generator: the axis that the model answers to is found, on a network that looks at one corner."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TriggerNet, audited
from synthetic_library import make_samples, make_windows

from foveal.samples import encode_png
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.walking import GENERATOR_RANK, GENERATOR_SLOPE, walk_axes

CORNER = (0, 0, 14, 14)


class Flat:
    """Draws flat crops: axis 0 does nothing, axis 1 is their brightness."""

    axis_sd = np.array([1.0, 0.1], np.float32)

    def draw(self, n, seed):
        return np.random.default_rng(seed).normal((0, 0.5), (1, 0.01), (n, 2)).astype(np.float32)

    def decode(self, z):
        return np.broadcast_to(z[:, 1, None, None, None].clip(0, 1), (len(z), 1, 8, 8)).astype(np.float32)


class Dark(Flat):
    """The same, darker along the axis."""

    def decode(self, z):
        return 1 - super().decode(z)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Sixty samples; a bright corner makes class 1; every fourth one is production."""
    folder, rng = tmp_path_factory.mktemp("scene"), np.random.default_rng(0)
    marked = np.arange(60) < 30
    images = [rng.integers(60, 90, (24, 24, 1), dtype=np.uint8) for _ in marked]
    for number, pixels in enumerate(images):
        pixels[:14, :14] += np.uint8(120 * marked[number])
        (folder / f"{number}.png").write_bytes(encode_png(pixels))
    samples = make_samples(
        np.where(np.arange(60) % 4 == 3, "production", "training"),
        predicted=marked.astype(int),
        origins=[str(folder / f"{number}.png") for number in range(60)],
        shape=(24, 24, 1),
    )
    windows = make_windows([images[row][:14, :14] for row in range(30)], boxes=[CORNER] * 30, layer="relu")
    return windows, samples, ModelBench(audited(TriggerNet()), samples)


@pytest.mark.parametrize(("generator", "sign"), [(Flat(), 1), (Dark(), -1)])
def test_the_axis_that_the_model_answers_to_is_told_with_its_direction(scene, generator, sign):
    found = walk_axes(generator, *scene, seed=0)
    assert set(found) == {f"{GENERATOR_SLOPE}:1", f"{GENERATOR_RANK}:1"}
    slope, rank = found[f"{GENERATOR_SLOPE}:1"], found[f"{GENERATOR_RANK}:1"]
    assert sign * slope.value > 0.1
    assert rank.value == pytest.approx(sign, abs=0.02)
    assert slope.p < 1e-6


def test_a_network_that_looks_elsewhere_answers_to_no_axis(scene):
    windows, samples, _ = scene
    found = walk_axes(Flat(), windows, samples, ModelBench(audited(TriggerNet(weight=0.0)), samples), seed=0)
    assert all(one.value == pytest.approx(0, abs=1e-6) for one in found.values())
    assert all(one.p > 0.05 for one in found.values())


def test_the_same_seed_walks_the_same_way(scene):
    assert walk_axes(Flat(), *scene, seed=3) == walk_axes(Flat(), *scene, seed=3)


def test_without_samples_of_other_classes_nothing_is_asked(scene):
    windows, samples, bench = scene
    few = ModelBench(audited(TriggerNet()), samples, bench.readable & (np.arange(60) < 34))
    assert walk_axes(Flat(), windows, samples, few, seed=0) == {}
    none = ModelBench(audited(TriggerNet()), samples, np.zeros(60, dtype=bool))
    assert walk_axes(Flat(), windows, samples, none, seed=0) == {}
