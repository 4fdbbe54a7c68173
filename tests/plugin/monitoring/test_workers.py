from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from foveal.errors import UsageError
from foveal.monitoring.workers import as_yaml, declared, merged, missing

FRAGMENT = Path(__file__).parents[3] / "deploy" / "metrics.yaml"


def test_the_fragment_declares_exactly_our_metrics():
    assert yaml.safe_load(FRAGMENT.read_text()) == {"model_metrics": declared()}


def test_torchserves_own_file_lacks_all_of_them():
    own = Path(find_spec("ts").origin).parent / "configs" / "metrics.yaml"
    assert missing(own.read_text()) == declared()


def test_a_file_with_all_of_them_lacks_nothing():
    assert missing(as_yaml(declared())) == {}


def test_one_that_is_missing_and_one_with_other_dimensions():
    counters, histograms = declared()["counter"], declared()["histogram"]
    changed = {**counters[0], "dimensions": ["Level"]}
    assert missing(as_yaml({"counter": [changed, *counters[1:]], "gauge": None})) == {
        "counter": [counters[0]],
        "histogram": histograms,
    }


@pytest.mark.parametrize("text", ["[1]", "model_metrics: [1]", "a: b: c", "model_metrics: {counter: 3}"])
def test_a_file_of_another_kind(text):
    with pytest.raises(UsageError) as caught:
        missing(text)
    assert str(caught.value) == (
        "The file is no metrics.yaml. Start from the one in TorchServe: ts/configs/metrics.yaml."
    )


def test_an_empty_file_lacks_everything():
    assert missing("") == declared()


def test_merging_keeps_what_is_there():
    own = Path(find_spec("ts").origin).parent / "configs" / "metrics.yaml"
    text = merged(own.read_text())
    assert missing(text) == {}
    assert merged(text) == text
    before, after = yaml.safe_load(own.read_text()), yaml.safe_load(text)
    assert after["ts_metrics"] == before["ts_metrics"]
    assert after["model_metrics"]["gauge"] == before["model_metrics"]["gauge"]


def test_merging_replaces_what_has_other_dimensions():
    changed = as_yaml({"counter": [{**declared()["counter"][0], "dimensions": ["Level"]}]})
    assert yaml.safe_load(merged(changed)) == {
        "model_metrics": {
            kind: sorted(e, key=lambda x: x["name"] != "foveal_crops_spooled_total")
            for kind, e in declared().items()
        }
    }
