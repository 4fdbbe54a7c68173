"""The activation rules on values that can be judged by eye, and the sketch against numpy's percentile."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.config import Rule
from foveal.features import FeatureName
from foveal.rules import Rules, StreamingQuantile


def rules(kind, percentile=90.0, layers=("fc1",)):
    widths = {"fc1": 3, "class": 2}
    features = [FeatureName(layer, index) for layer in layers for index in range(widths[layer])]
    return Rules(Rule(kind, percentile), features, widths)


def values(*rows):
    return np.array(rows, np.float32)


def test_nonzero_is_what_passes_a_relu():
    judged = rules("nonzero").judge({"fc1": values([0, 2, -1], [0.5, 0, 0])})
    assert judged.present.tolist() == [[False, True, False], [True, False, False]]
    assert judged.thresholds.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_layer_max_is_the_largest_above_zero_and_its_threshold_the_runner_up():
    judged = rules("layer-max").judge({"fc1": values([1, 4, 3], [-3, -1, -2], [2, 2, 1])})
    assert judged.present.tolist() == [[False, True, False], [False] * 3, [False] * 3]
    assert judged.thresholds[0].tolist() == [4, 3, 4]


def test_layer_max_of_the_classes_is_the_prediction_even_below_zero():
    judged = rules("layer-max", layers=("class",)).judge(
        {"fc1": values([0, 0, 0]), "class": values([-3, -1])}
    )
    assert judged.present.tolist() == [[False, True]]


def test_a_layer_of_one_node_is_its_own_maximum():
    alone = Rules(Rule("layer-max"), [FeatureName("fc1", 0)], {"fc1": 1})
    assert alone.judge({"fc1": values([2], [-2])}).present.tolist() == [[True], [False]]


def test_primed_percentiles_are_exact_and_do_not_move():
    seen = np.random.default_rng(0).normal(5, 2, (1000, 3)).astype(np.float32)
    seen[:, 2] = 0
    primed = rules("percentile", 90)
    primed.prime({"fc1": seen, "elsewhere": np.zeros((4, 9), np.float32)})
    judged = primed.judge({"fc1": seen})
    assert judged.present.sum(axis=0).tolist() == [100, 100, 0]
    np.testing.assert_allclose(judged.thresholds[0], np.percentile(seen, 90, axis=0), rtol=1e-6)
    assert np.array_equal(primed.judge({"fc1": seen + 100}).thresholds, judged.thresholds)


def test_a_dead_node_is_never_present():
    dead = rules("percentile")
    dead.prime({"fc1": -np.arange(1, 301, dtype=np.float32).reshape(100, 3)})
    assert not dead.judge({"fc1": values([-1, -2, -3])}).present.any()


def test_streaming_percentiles_learn():
    learning = rules("percentile", 50)
    assert not learning.judge({"fc1": values([1, 1, 1])}).present.any()
    judged = learning.judge({"fc1": values([3, 0.5, 1])})
    assert judged.thresholds[0].tolist() == [2, 0.75, 1]
    assert judged.present.tolist() == [[True, False, False]]


def test_what_is_not_finite_teaches_nothing_and_is_not_present():
    learning = rules("percentile", 50)
    learning.judge({"fc1": values([1, 1, 1], [2, 2, 2])})
    judged = learning.judge({"fc1": values([np.nan, 9, np.inf])})
    assert judged.thresholds[0].tolist() == [1.5] * 3
    assert not judged.present[0, 0]
    learning.prime({"fc1": values([1, 1, 1], [np.nan, 2, 2])})
    assert learning.judge({"fc1": values([2, 2, 2])}).thresholds[0].tolist() == [1, 1, 1]


def test_without_features_nothing_is_present():
    assert Rules(Rule(), [], {"fc1": 3}).judge({"fc1": values([1, 2, 3])}).present.shape == (1, 0)


def test_strongest_first_relative_to_the_threshold():
    judged = rules("percentile")
    judged.prime({"fc1": np.tile(values([1, 10, 0]), (5, 1))})
    verdict = judged.judge({"fc1": values([3, 15, 0.1], [0, 11, 0])})
    assert verdict.strongest(0, 2) == [2, 0]
    assert verdict.strongest(0, 3) == [0, 1, 2]
    assert verdict.strongest(1, 3) == [1]


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=80), st.floats(1, 99))
def test_the_sketch_is_exact_while_it_holds_everything(numbers, percentile):
    sketch = StreamingQuantile(1, percentile)
    for number in numbers:
        sketch.add(values([number]))
    expected = np.percentile(np.array(numbers, np.float32), percentile)
    np.testing.assert_allclose(sketch.thresholds, [expected], rtol=1e-5, atol=1e-5)


def test_the_sketch_is_near_beyond_its_capacity_and_repeats_itself():
    seen = np.random.default_rng(1).exponential(size=(20_000, 2)).astype(np.float32)
    sketches = [StreamingQuantile(2, 90, capacity=512) for _ in range(2)]
    for sketch in sketches:
        for start in range(0, len(seen), 64):
            sketch.add(seen[start : start + 64])
    assert np.array_equal(sketches[0].thresholds, sketches[1].thresholds)
    shares = (seen > sketches[0].thresholds).mean(axis=0)
    # Five standard errors of a percentile from 512 samples.
    assert shares == pytest.approx([0.1, 0.1], abs=5 * np.sqrt(0.09 / 512))


def test_the_sketch_weighs_early_and_late_samples_alike():
    sketch = StreamingQuantile(1, 50, capacity=200)
    sketch.add(np.zeros((5000, 1), np.float32))
    sketch.add(np.ones((15_000, 1), np.float32))
    assert sketch._rows.mean() == pytest.approx(0.75, abs=5 * np.sqrt(0.75 * 0.25 / 200))


def test_threads_share_one_sketch():
    learning = rules("percentile", 90)
    rows = np.random.default_rng(2).random((400, 3)).astype(np.float32)

    def work(own):
        for row in own:
            learning.judge({"fc1": row[None]})

    threads = [threading.Thread(target=work, args=(rows[first::4],)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert learning._quantiles["fc1"]._seen == 400
    # The thresholds may lag behind by a twentieth of the samples.
    shares = (rows > learning.judge({"fc1": rows[:1]}).thresholds).mean(axis=0)
    assert shares == pytest.approx([0.1] * 3, abs=0.02)
