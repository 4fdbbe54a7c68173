"""Answers of the route of explanations: small, readable again, and each row for itself."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from placed_samples import ECG_RATE, SOUND_RATE, TONE, VOXEL, model_of, write_placed
from torch import nn
from ts.context import RequestProcessor
from ts.torch_handler.request_envelope.kserve import KServeEnvelope
from ts.torch_handler.request_envelope.kservev2 import KServev2Envelope

from foveal.capture import TopClass
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.observer import Observer
from foveal_handlers.explanations import Asked, asked_form, explain_rows, written_map


def pixels_of(written):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(written["data"]))))


def values_of(written):
    if written["form"] == "npy":
        return np.load(io.BytesIO(base64.b64decode(written["data"])))
    return written["min"] + pixels_of(written).astype(np.float64) / 255 * (written["max"] - written["min"])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    ).eval()


@pytest.fixture
def observer(network):
    with Observer(network, None, FovealConfig(), "", torch.zeros(1, 3, 24, 24)) as observer:
        yield observer


def test_an_explanation_says_what_the_network_and_its_map_say(network, observer):
    x = torch.rand(3, 3, 24, 24)
    asked = [Asked((48, 60), "png"), Asked((24, 24), "npy"), Asked((96, 24, 3))]
    answers = explain_rows(observer, x, asked, {"0": "ant", "1": "bee", "2": "cat", "3": "dog"})
    with torch.no_grad():
        scores, classes = torch.softmax(network(x), 1).max(1)
    maps = observer.forward(x).attribute([TopClass()], "hirescam")[:, 0].numpy()
    for row, answer in enumerate(answers):
        assert answer["index"] == classes[row]
        assert answer["class"] == ("ant", "bee", "cat", "dog")[classes[row]]
        assert answer["score"] == pytest.approx(float(scores[row]), rel=1e-5)
        written = answer["map"]
        assert (written["layer"], written["method"]) == (observer.layer, "hirescam")
        assert written["shape"] == [24, 24]
        step = 0 if written["form"] == "npy" else (written["max"] - written["min"]) / 255
        assert np.abs(values_of(written) - maps[row]).max() <= step * 0.5001
        height, width = asked[row].size[:2]
        assert answer["boxes"]
        for box in answer["boxes"]:
            y0, x0, y1, x1 = box["window"]
            assert 0 <= y0 < y1 <= height
            assert 0 <= x0 < x1 <= width
            assert 0 < box["score"] <= 1
        active = [one["activation"] for one in answer["features"]]
        assert active == sorted(active, reverse=True)
        assert 0 < len(active) <= 5
    assert len(json.dumps(answers)) < 12_000


def asked_about(name, path):
    model = model_of(name)
    decoded = model.kind.decode(model.kind.read(path), str(path))
    x = model.transform(decoded.values, "", decoded.spacing)[None]
    with model.observer(x) as observer:
        (answer,) = explain_rows(observer, x, [Asked(decoded.values.shape, "png", decoded.spacing)])
    return json.loads(json.dumps(answer))


@pytest.mark.parametrize(
    ("name", "spacing", "unit"),
    [("record", [1 / ECG_RATE], "s"), ("sound", [1 / SOUND_RATE], "s"), ("scan", list(VOXEL), "mm")],
)
def test_places_have_a_size_and_those_of_spectrograms_frequencies(name, spacing, unit, tmp_path):
    (path,) = write_placed(name, tmp_path)
    answer = asked_about(name, path)
    assert answer["spacing"] == pytest.approx(spacing, rel=1e-6)
    assert answer["unit"] == unit
    (box,) = answer["boxes"]
    assert set(box) == {"window", "score", *(["hertz"] if name == "sound" else [])}
    if name == "sound":
        low, high = box["hertz"]
        assert low <= TONE <= high < low + 400


def test_of_pictures_neither_is_told(observer):
    (answer,) = explain_rows(observer, torch.rand(1, 3, 24, 24), [Asked((48, 60), "png", (0.5, 0.5))])
    assert {"spacing", "unit"} & set(answer) == set()
    assert set(answer["boxes"][0]) == {"window", "score"}


def test_maps_are_never_large():
    answer = written_map(np.random.default_rng(0).normal(size=(700, 900)).astype(np.float32), "npy")
    assert answer["shape"] == [128, 128]
    assert len(json.dumps(answer)) < 100_000


@pytest.mark.parametrize("form", ["png", "npy"])
def test_a_flat_map_can_be_read_back(form):
    answer = written_map(np.full((4, 5), -2.5, np.float32), form)
    assert (values_of(answer) == -2.5).all()
    assert values_of(answer).shape == (4, 5)


def test_one_logit_speaks_for_the_second_of_two_classes():
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)
    )
    network.eval()[-1].bias.data.fill_(-5.0)
    with Observer(network, None, FovealConfig(), "", torch.zeros(1, 1, 8, 8)) as observer:
        (answer,) = explain_rows(observer, torch.rand(1, 1, 8, 8), [Asked((8, 8))])
    assert (answer["index"], answer["class"]) == (0, "0")
    assert answer["score"] > 0.9


def test_the_header_chooses_the_form():
    assert asked_form({}) == "png"
    assert asked_form({"x-foveal-map": "NPY"}) == "npy"
    with pytest.raises(UsageError) as caught:
        asked_form({"X-Foveal-Map": "pmg"})
    assert str(caught.value) == "Header X-Foveal-Map is 'pmg'. Did you mean 'png'."


class TestVisionHandler:
    def test_a_batch_of_both_routes_is_answered_row_by_row(self, serve, png, spooled, plain_answers):
        served = serve()
        images = [png(1), png(2), b"bad", png(3)]
        headers = [{"explain": "True"}, {}, {"explain": "True"}, {"explain": "True", "x-foveal-map": "npy"}]
        first, second, third, fourth = served.ask(images, headers=headers)
        assert set(first) == {"class", "index", "score", "map", "boxes", "features"}
        assert first["map"]["form"] == "png"
        assert second == plain_answers([images[1]])[0]
        assert served.status(2) == 400
        assert third["code"] == 400
        assert fourth["map"]["form"] == "npy"
        assert first["class"] == next(iter(plain_answers([images[0]])[0]))
        assert [one.sample.sample for one in spooled()] == ["id-1"]
        assert len(json.dumps(first)) < 3000

    def test_explanations_without_a_spool(self, serve, png):
        (answer,) = serve(spool=False).ask([png(1)], headers=[{"explain": "True"}])
        assert answer["map"]["data"]

    def test_a_wrong_form_is_refused_in_words(self, serve, png):
        served = serve()
        answers = served.ask([png(1), png(2)], headers=[{"explain": "True", "X-Foveal-Map": "jpg"}, {}])
        assert served.status(0) == 400
        assert answers[0]["message"] == "Header X-Foveal-Map is 'jpg'. Did you mean 'png'."
        assert served.status(1) == 200


def as_text(image):
    return base64.b64encode(image).decode()


class TestEnvelopes:
    @pytest.fixture(autouse=True)
    def requests(self, request_batch):
        self.batch = request_batch

    def ask(self, served, envelope, body, explain):
        rows = self.batch(served.context, [json.dumps(body).encode()], headers=[{"explain": explain}])
        return envelope(served.handler.handle).handle(rows, served.context)

    @pytest.mark.parametrize("explain", ["True", "False"])
    def test_kserve_v1(self, serve, png, plain_answers, explain):
        served, images = serve(), [png(1), png(2)]
        body = {"instances": [{"data": as_text(image)} for image in images]}
        (answer,) = self.ask(served, KServeEnvelope, body, explain)
        if explain == "False":
            assert answer == {"predictions": plain_answers(images)}
            return
        assert [set(one) >= {"class", "map", "boxes"} for one in answer["explanations"]] == [True, True]
        assert len(json.dumps(answer)) < 5000

    @pytest.mark.parametrize("explain", ["True", "False"])
    def test_kserve_v2(self, serve, png, plain_answers, explain):
        served, images = serve(), [png(1), png(2)]
        inputs = [
            {"name": f"input-{number}", "shape": [1], "datatype": "BYTES", "data": [as_text(image)]}
            for number, image in enumerate(images)
        ]
        (answer,) = self.ask(served, KServev2Envelope, {"id": "mine", "inputs": inputs}, explain)
        assert (answer["id"], answer["model_name"]) == ("mine", "small")
        contents = [one["data"] for one in json.loads(json.dumps(answer))["outputs"]]
        if explain == "False":
            assert contents == [[one] for one in plain_answers(images)]
            return
        assert all("map" in one for (one,) in contents)


def test_a_prediction_as_grpc_brings_it_has_no_headers_of_its_own(serve, png, plain_answers, request_batch):
    served = serve()
    request_batch(served.context, [png(1)])
    served.context.request_processor = [RequestProcessor({"data": {"content-type": ""}})]
    assert served.handler.handle([{"data": bytearray(png(1))}], served.context) == plain_answers([png(1)])
    assert served.record(0) == "id-0"
