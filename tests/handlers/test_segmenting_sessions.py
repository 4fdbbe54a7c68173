"""The handler of ONNX segmentation networks: the plain session's masks, and what the network itself notes."""

from __future__ import annotations

import json
import sys
from zipfile import ZipFile

import numpy as np
import onnxruntime
import pytest
from segmentation_archives import LABELS, network, packed, packed_onnx
from ts.model_loader import TsModelLoader

from foveal.archives import load_model
from foveal.archives.entries import ONNX_SEGMENTATION
from foveal.developing import develop
from foveal.onnx_graphs.carried import CARRIED
from foveal.samples import decode_image
from foveal.segmenting.masks import describe_masks
from foveal.segmenting.network import Segmenter
from foveal.spool import read_segment
from foveal_handlers.segmentation import SegmentationHandler
from foveal_handlers.sessions import SegmentingSessionHandler

pytestmark = pytest.mark.filterwarnings("ignore")
HANDLERS = {"onnx": (packed_onnx, SegmentingSessionHandler), "eager": (packed, SegmentationHandler)}


@pytest.fixture
def served(tmp_path, monkeypatch, new_context, request_batch):
    """Start the handler of a packed network, as ONNX or with its code; `spool=False` starts a plain one."""
    started = []

    def start(how="onnx", spool=True, change=lambda _: None, **settings):
        monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
        if spool:
            monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / f"spool-{how}"))
        make, handler_class = HANDLERS[how]
        archive = make(tmp_path / how, **settings)
        folder = tmp_path / "models" / str(len(started))
        with ZipFile(archive) as content:
            content.extractall(folder)
        change(folder)
        handler, context = handler_class(), new_context(folder)
        handler.initialize(context)
        started.append(handler)
        return lambda images, **how: handler.handle(request_batch(context, images, **how), context), handler

    yield start
    for handler in started:
        if handler.auditor is not None:
            handler.auditor.close()


@pytest.fixture
def noted(tmp_path):
    def noted(how="onnx"):
        paths = [path for path in (tmp_path / f"spool-{how}").glob("*/*") if path.suffix in {".open", ".seg"}]
        found = [develop(one) for path in paths for one in read_segment(path)]
        return sorted(found, key=lambda one: one.sample.sample_sha256)

    return noted


def by_hand(archive, images):
    """Answer with a plain session of onnxruntime."""
    transform = load_model(str(archive)).transform
    session = onnxruntime.InferenceSession(
        archive.with_name("spots.onnx"), providers=["CPUExecutionProvider"]
    )
    names = {str(index): name for index, name in enumerate(LABELS)}
    x = np.stack([transform(decode_image(image, "")).numpy() for image in images])
    classes = session.run(None, {"x": x})[0].argmax(1)
    return [describe_masks(one, len(LABELS), names, 0) for one in classes]


@pytest.mark.parametrize("kind", ["onnx", "segmentation"])
def test_answers_are_the_plain_sessions(served, noted, tmp_path, png, kind):
    images = [png(seed, (40, 48), 1) for seed in range(3)]
    (audited, _), (plain, _) = served(kind=kind), served(kind=kind, spool=False)
    ours = audited(images)
    assert json.dumps(ours) == json.dumps(plain(images))
    assert ours == by_hand(tmp_path / "onnx" / "spots.mar", images)
    assert len(noted()) == 3


def entries(observation):
    """Give what was noted of a sample: the feature without its layer, which has another name in a file."""
    found = [(one.feature.rpartition(":")[2], one.window, one.activation) for one in observation.entries]
    return sorted((feature, window, pytest.approx(value, rel=1e-4)) for feature, window, value in found)


@pytest.mark.parametrize("rule", ["nonzero", {"percentile": 90}])
def test_what_is_noted_is_what_the_network_with_its_code_notes(served, noted, png, rule):
    """Nodes with the patches that they read, classes with theirs, contributions with moving windows."""
    images = [png(seed, (64, 96), 1) for seed in range(3)]
    config = {"foveal": {"rule": rule, "features": ["dec", "class:*"]}}
    served("eager", config=config)[0](images)
    config = {"foveal": {"rule": rule, "features": ["dec_dec_1_Relu", "class:*"]}}
    served("onnx", config=config)[0](images)
    for ours, theirs in zip(noted("onnx"), noted("eager"), strict=True):
        assert entries(ours) == entries(theirs)
        assert np.allclose(ours.sample.scores, theirs.sample.scores, rtol=1e-5, atol=1e-6)
        assert {one.layer for one in ours.entries} <= {"dec_dec_1_Relu"}
        windows = {(y1 - y0, x1 - x0) for _, (y0, x0, y1, x1), _ in entries(ours)}
        assert (20, 30) in windows  # ten steps of the network, two and three times as many pixels


def test_the_desk_opens_the_archive_as_the_worker_does(served, noted, tmp_path, png):
    answer, _ = served()
    answer([png(4, (32, 32), 1)])
    model = load_model(str(tmp_path / "onnx" / "spots.mar"))
    assert isinstance(model.module, Segmenter)
    assert (model.module.background, model.labels) == (0, LABELS)
    x = model.transform(decode_image(png(4, (32, 32), 1), ""))[None]
    with model.observer(x) as observer:
        forward = observer.forward(x)
        assert observer.layer == "dec_dec_1_Relu"
    (one,) = noted()
    assert np.allclose(one.sample.scores, forward.output[0], atol=1e-6)
    assert one.sample.model_sha256 == model.sha256


def test_the_explanation_names_what_was_found_most_of(served, png):
    answer, _ = served()
    (found,) = answer([png(1, (32, 32), 1)], headers=[{"explain": "True"}])
    assert found["class"] in LABELS
    assert found["map"]["layer"] == "dec_dec_1_Relu"


def test_one_channel_and_another_background(served, png):
    answer, handler = served(
        net=network(1), labels=("vessel", "none"), model={"segmentation": {"background": 1}}
    )
    (found,) = answer([png(1, (32, 32), 1)])
    assert set(found["classes"]) <= {"vessel", "none"}
    assert "runs" not in found["classes"].get("none", {})
    assert handler.model.background == 1


def test_without_what_is_carried_it_still_predicts(served, noted, png, caplog):
    def lost(folder):
        (folder / CARRIED).unlink()

    images = [png(seed, (32, 32), 1) for seed in range(2)]
    (ask, _), (plain, _) = served(change=lost), served(spool=False)
    assert ask(images) == plain(images)
    assert noted() == []
    assert "Foveal sees no layers of spots.onnx" in caplog.text


def test_torchserve_loads_the_entry_file(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    with ZipFile(packed_onnx(tmp_path)) as content:
        content.extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
    service = TsModelLoader().load("spots", str(folder), ONNX_SEGMENTATION[1], None, 1)
    handler = service._entry_point.__self__
    assert isinstance(handler, SegmentingSessionHandler)
    assert handler.initialized
    sys.modules.pop(type(handler).__module__)
