"""A real TorchServe serves a segmenting ONNX file: the plain masks, and its entries in the library."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
from ready_stores import ready_store
from segmentation_archives import LABELS, network, packed_onnx

from foveal.archives import load_model
from foveal.library import Library
from foveal.observer import Observer, Seen
from foveal.samples import decode_image, encode_png
from foveal.segmenting.masks import mask_of
from foveal.segmenting.network import Segmenter
from foveal.servers import TorchServe
from foveal.shipper import ship

pytestmark = pytest.mark.slow

COUNT = 6


@pytest.fixture(scope="module")
def images():
    return [
        encode_png(np.random.default_rng(seed).integers(0, 256, (40, 48, 1), np.uint8))
        for seed in range(COUNT)
    ]


@pytest.fixture(scope="module")
def served(tmp_path_factory, images):
    """Send pictures to the server, ship what it noted; give the folder, the answers and the library."""
    folder = tmp_path_factory.mktemp("onnx-segmentation")
    store, answers = folder / "store", {}
    packed_onnx(store, "audited.mar", config={"foveal": {"rule": "nonzero"}})
    packed_onnx(store, "plain.mar", config={"foveal": {"sample_rate": 0}})
    (store / "spots.onnx").rename(folder / "spots.onnx")
    with TorchServe(store, spool=folder / "spool", logs=folder / "logs") as server:
        for name in ("audited", "plain"):
            answers[name] = [server.request(f"/predictions/{name}", image) for image in images]
        answers["explained"] = [server.request("/explanations/audited", images[0])]
        answers["refused"] = [server.request("/predictions/audited", b"no picture")]
    library = Library("spots", ready_store(folder / "mlflow.db"))
    assert ship(folder / "spool" / "audited", library).samples == COUNT
    return folder, answers, library


def test_bodies_are_the_same_and_the_masks_are_the_plain_sessions(served, images):
    folder, answers, _ = served
    session = onnxruntime.InferenceSession(folder / "spots.onnx", providers=["CPUExecutionProvider"])
    model = load_model(str(folder / "store" / "audited.mar"))
    for image, audited, plain in zip(images, answers["audited"], answers["plain"], strict=True):
        assert (audited.status, plain.status) == (200, 200)
        assert audited.body == plain.body
        found = json.loads(audited.body)
        x = model.transform(decode_image(image, ""))[None].numpy()
        by_hand = session.run(None, {"x": x})[0][0].argmax(0)
        for name, one in found["classes"].items():
            inside = by_hand == LABELS.index(name)
            assert one["share"] == inside.mean()
            assert name == "nothing" or np.array_equal(mask_of(one["runs"], found["shape"]), inside)
    assert json.loads(answers["explained"][0].body)["map"]["layer"] == "dec_dec_1_Relu"
    assert answers["refused"][0].status == 400


def test_the_entries_of_the_network_with_its_code_are_in_the_library(served, images):
    folder, _, library = served
    model = load_model(str(folder / "store" / "audited.mar"))
    expected = sorted(entry for image in images for entry in noted_by_hand(model, image))
    entries = library.query().entries()
    found = sorted((entry.feature.rpartition(":")[2], entry.window) for entry in entries)
    assert found == expected
    assert len(found) > 10 * COUNT
    assert {entry.layer for entry in entries} == {"dec_dec_1_Relu"}


def noted_by_hand(model, image):
    """Give the features, without their layer, and windows that the network itself has of a picture."""
    pixels = decode_image(image, "")
    x = model.transform(pixels)[None]
    seen = Seen("a", 0, pixels, "production", "2026-01-01T00:00:00Z", "a")
    with Observer(Segmenter(network()), model.transform, model.config, model.sha256, x, "a") as observer:
        _, (found,) = observer.observe([seen], x)
    return [(entry.feature.rpartition(":")[2], entry.window) for entry in found.entries]
