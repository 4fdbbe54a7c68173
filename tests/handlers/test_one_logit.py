"""Classifiers of one logit: served as two classes, with what the other routes and commands say."""

from __future__ import annotations

import json
from zipfile import ZipFile

import pytest
import torch
from ts.utils.util import map_class_to_label

from foveal.archives.pack import pack
from foveal.capture import class_probabilities, predicted_classes
from foveal.explaining.samples import Prediction
from foveal_handlers.handler import SampleHandler, _top_classes

NAMED = {"0": "healthy", "1": "ill"}


@pytest.mark.parametrize(
    ("logit", "first"), [(2.0, "ill"), (-1.5, "healthy"), (40.0, "ill"), (-40.0, "healthy")]
)
def test_both_classes_are_named_the_likelier_first(logit, first):
    answer = _top_classes(torch.tensor([[logit]]), NAMED)
    odds = 1 / (1 + 2.718281828459045**-logit)
    assert answer == pytest.approx({"healthy": 1 - odds, "ill": odds}, abs=1e-6)
    assert next(iter(answer)) == first
    assert _top_classes(torch.tensor([[logit]]), None).keys() == {"0", "1"}


def test_an_archive_that_was_packed_with_one_label():
    assert _top_classes(torch.zeros(1, 1), {"0": "ill"}) == {"ill": 0.5, "1": 0.5}


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_answers_of_several_classes_are_as_before(classes):
    output = torch.randn(1, classes, generator=torch.Generator().manual_seed(classes))
    values, numbers = torch.topk(torch.softmax(output, dim=1), min(5, classes), dim=1)
    (expected,) = map_class_to_label(values.tolist(), None, numbers.tolist())
    assert json.dumps(_top_classes(output, None)) == json.dumps(expected)
    assert torch.equal(class_probabilities(output), torch.softmax(output, dim=1))


def test_all_ask_for_the_same_probability():
    outputs = torch.linspace(-6, 6, 13)[:, None]
    likely = class_probabilities(outputs)
    torch.testing.assert_close(likely.sum(1), torch.ones(13))
    for output, row, index in zip(outputs, likely, predicted_classes(outputs).tolist(), strict=True):
        told = Prediction.of(output[None], ("healthy", "ill"))
        assert (told.index, told.label) == (index, NAMED[str(index)])
        assert told.probability == pytest.approx(float(row[index]), abs=1e-6)
        served = _top_classes(output[None], NAMED)
        assert served[told.name] == max(served.values()) == pytest.approx(told.probability, abs=1e-6)


NETWORK = """
from torch import nn


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 1)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))
"""


def test_both_routes_of_a_served_archive_say_the_same(tmp_path, png, new_context, request_batch, monkeypatch):
    monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
    (tmp_path / "small.py").write_text(NETWORK)
    told = {"size": (16, 16), "channels": 3, "labels": tuple(NAMED.values())}
    out = pack("vision", tmp_path / "small.py", None, tmp_path / "small.mar", **told)
    with ZipFile(out) as archive:
        archive.extractall(tmp_path / "model")
    context, handler = new_context(tmp_path / "model"), SampleHandler()
    handler.initialize(context)
    rows, headers = [png(1)] * 2, [{}, {"explain": "True"}]
    predicted, explained = handler.handle(request_batch(context, rows, headers=headers), context)
    assert sum(predicted.values()) == pytest.approx(1)
    assert next(iter(predicted)) == explained["class"] == NAMED[str(explained["index"])]
    assert predicted[explained["class"]] == pytest.approx(explained["score"], abs=1e-6)
