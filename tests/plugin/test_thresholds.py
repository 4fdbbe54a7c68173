"""What the rules have learnt, over restarts."""

from __future__ import annotations

import numpy as np
import pytest

from foveal.config import Rule
from foveal.features import FeatureName
from foveal.rules import Rules
from foveal.thresholds import ThresholdFile

FEATURES = [FeatureName("fc1", index) for index in range(3)]


def rules(nodes=3):
    return Rules(Rule("percentile", 90.0), FEATURES[:nodes], {"fc1": nodes})


def values(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def test_rules_go_on_where_they_were(tmp_path):
    before, file = rules(), ThresholdFile(tmp_path / "model", "m-c")
    before.judge({"fc1": values(500)})
    file.write(before)
    after = rules()
    assert ThresholdFile(tmp_path / "model", "m-c").restore(after)
    again = values(5, seed=1)
    ours, theirs = after.judge({"fc1": again}), before.judge({"fc1": again})
    np.testing.assert_array_equal(ours.thresholds, theirs.thresholds)
    np.testing.assert_array_equal(ours.present, theirs.present)


def test_a_layers_name_may_hold_dots_and_slashes(tmp_path):
    layer = "a.b/c.0"
    first, second = (Rules(Rule(), [FeatureName(layer, 0)], {layer: 1}) for _ in range(2))
    first.judge({layer: values(50)[:, :1]})
    second.restore(first.state())
    last = values(1, seed=2)[:, :1]
    np.testing.assert_array_equal(
        first.judge({layer: last}).thresholds, second.judge({layer: last}).thresholds
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 not a zip"),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.unlink(),
        lambda path: np.savez(path.open("wb"), **{"fc1/rows": np.zeros((2, 9))}),
    ],
)
def test_a_spoilt_file_means_a_new_start(tmp_path, spoil):
    file = ThresholdFile(tmp_path, "m-c")
    learnt = rules()
    learnt.judge({"fc1": values(50)})
    file.write(learnt)
    spoil(file.path)
    fresh = rules()
    assert not file.restore(fresh)
    first = fresh.judge({"fc1": values(4)})
    np.testing.assert_array_equal(first.thresholds, rules().judge({"fc1": values(4)}).thresholds)


def test_another_networks_file_is_not_taken(tmp_path):
    file, wide = ThresholdFile(tmp_path, "m-c"), rules()
    wide.judge({"fc1": values(50)})
    file.write(wide)
    assert not file.restore(rules(nodes=2))


def test_it_is_written_now_and_then_and_in_a_folder_that_refuses_nothing_happens(tmp_path):
    learnt = rules()
    learnt.judge({"fc1": values(50)})
    file = ThresholdFile(tmp_path, "m-c", seconds=0.01)
    file.keep(learnt)
    for _ in range(500):
        if file.path.exists():
            break
        file._stopped.wait(0.01)
    file.close()
    assert file.restore(rules())
    assert [path.name for path in tmp_path.iterdir()] == ["m-c.thresholds.npz"]
    (tmp_path / "taken").write_text("a file")
    ThresholdFile(tmp_path / "taken", "m-c").write(learnt)
