"""The handler of ONNX networks: the answers are the plain session's, and what decided is noted."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from zipfile import ZipFile

import numpy as np
import onnx_archives
import onnxruntime
import pytest
import torch
from onnx_archives import LABELS, packed
from ts.protocol.otf_message_handler import create_predict_response

from foveal.archives import load_model
from foveal.onnx_graphs.carried import CARRIED
from foveal.samples import decode_image
from foveal_handlers.sessions import SessionHandler


@pytest.fixture
def served(tmp_path, monkeypatch, new_context, request_batch):
    """Start the handler of a packed file; `spool=False` starts a plain one, `change` edits the folder."""
    started = []

    def start(spool=True, change=lambda _: None, **settings):
        if spool:
            monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        else:
            monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
        archive = packed(tmp_path / "packing", **settings)
        folder = tmp_path / "models" / str(len(started))
        with ZipFile(archive) as content:
            content.extractall(folder)
        change(folder)
        handler, context = SessionHandler(), new_context(folder)
        handler.initialize(context)
        started.append(handler)
        return lambda images, **how: handler.handle(request_batch(context, images, **how), context), handler

    yield start
    for handler in started:
        if handler.auditor is not None:
            handler.auditor.close()


def by_hand(folder, images):
    """Answer with a plain session of onnxruntime."""
    session = onnxruntime.InferenceSession(folder / "residual.onnx", providers=["CPUExecutionProvider"])
    transform = load_model(str(folder / "net.mar")).transform
    x = torch.stack([transform(decode_image(image, "")) for image in images]).numpy()
    probabilities, classes = torch.softmax(torch.from_numpy(session.run(None, {"x": x})[0]), 1).topk(5)
    return [
        {LABELS[index]: value for index, value in zip(row, values, strict=True)}
        for row, values in zip(classes.tolist(), probabilities.tolist(), strict=True)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_answers_are_the_plain_sessions(served, tmp_path, spooled, png, count):
    images = [png(seed) for seed in range(count)]
    (audited, _), (plain, _) = served(), served(spool=False)
    ours = audited(images)
    assert ours == plain(images) == by_hand(tmp_path / "packing", images)
    assert len(spooled("net")) == count


def test_what_is_noted_is_what_the_desk_finds(served, tmp_path, spooled, png):
    ask, _ = served()
    ask([png(4)])
    (noted,) = spooled("net")
    model = load_model(str(tmp_path / "packing" / "net.mar"))
    x = model.transform(decode_image(png(4), ""))[None]
    with model.observer(x) as observer:
        forward = observer.forward(x)
        assert observer.layer == "trunk_trunk_3_Relu_1"
        assert noted.sample.activations.keys() == {"nodes_nodes_2_Gemm"} == forward.nodes.keys()
    assert np.allclose(noted.sample.activations["nodes_nodes_2_Gemm"], forward.nodes["nodes_nodes_2_Gemm"][0])
    assert noted.sample.model_sha256 == model.sha256
    assert {entry.layer for entry in noted.entries} == {"trunk_trunk_3_Relu_1"}
    assert any(entry.feature == "contribution" for entry in noted.entries)


def made_for_another(folder):
    content = (folder / "residual.onnx").read_bytes()
    (folder / "residual.onnx").write_bytes(content + b"\x12\x01x")


DAMAGES = {
    "missing": lambda folder: (folder / CARRIED).unlink(),
    "damaged": lambda folder: (folder / CARRIED).write_bytes(b"no zip"),
    "another": made_for_another,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_what_is_carried_it_still_predicts(served, spooled, png, damage, caplog):
    (ask, _), (plain, _) = served(change=DAMAGES[damage]), served(spool=False)
    assert ask([png(1), png(2)]) == plain([png(1), png(2)])
    assert spooled("net") == []
    assert "Foveal sees no layers of residual.onnx" in caplog.text


def test_a_file_of_one_sample_at_a_time_serves_batches(served, spooled, png, monkeypatch):
    written = onnx_archives.written
    monkeypatch.setattr(onnx_archives, "written", lambda folder, name: written(folder, name, batch=1))
    ask, _ = served()
    images = [png(seed) for seed in range(3)]
    assert ask(images) == [ask([image])[0] for image in images]
    assert len(spooled("net")) == 6


def test_explanations_are_answered(served, png):
    ask, _ = served()
    (answer,) = ask([png(2)], headers=[{"explain": "True", "x-foveal-map": "npy"}])
    assert answer["class"] in LABELS
    assert answer["map"]["shape"]


def test_the_worker_brings_nothing_heavy():
    """In a fresh process: beyond what TorchServe and torch import, only onnxruntime and what it needs."""
    code = """
        import json, sys
        import ts.context, ts.torch_handler.base_handler, ts.service, torch, numpy
        before = {name.partition(".")[0] for name in sys.modules}
        import foveal_handlers.mar.onnx, foveal_handlers.mar.onnx_segmentation
        added = sorted({name.partition(".")[0] for name in sys.modules} - before)
        print(json.dumps([added, "onnx" in sys.modules]))
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    added, onnx = json.loads(done.stdout.splitlines()[-1])
    heavy = {"mlflow", "pyarrow", "captum", "pandas", "scipy", "pydantic"}
    assert not onnx
    assert heavy.isdisjoint(added)


def test_the_body_is_the_same_to_the_byte(served, png, new_context):
    (audited, handler), (plain, other) = served(), served(spool=False)
    bodies = []
    for ask, one in ((audited, handler), (plain, other)):
        answers = ask([png(7)], ids=["a"])
        one.context.request_processor = [type(p)({}) for p in one.context.request_processor]
        bodies.append(bytes(create_predict_response(answers, one.context.request_ids, "", 200, one.context)))
    assert bodies[0] == bodies[1]
