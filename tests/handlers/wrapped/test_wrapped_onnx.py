"""An archive whose handler runs an ONNX file: wrapped, it answers to the bit as before, and is watched."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import onnx_archives
import onnxruntime
import pytest
import torch
from onnx_archives import externally, written

from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.unwrapping import unwrap
from foveal.archives.wrapping import wrap as wrap_archive
from foveal.errors import UsageError
from foveal.onnx_graphs.carried import CARRIED
from foveal_handlers.wrapped.onnx_sessions import StandIn

HANDLER = "onnx_handler.py"


@pytest.fixture
def archive(tmp_path, request):
    """Write the archive of a handler with an ONNX file; its tensors may lie outside of it."""

    def write(outside=False, **how):
        path = written(tmp_path, **how)
        path = externally(path) if outside else path
        model = {"modelName": "net", "handler": HANDLER, "serializedFile": path.name}
        files = {
            MANIFEST: json.dumps({"runtime": "python", "model": model}).encode(),
            HANDLER: request.path.parent / "handlers" / HANDLER,
            path.name: path,
        }
        if outside:
            files[f"{path.stem}.data"] = path.with_name(f"{path.stem}.data")
        with (tmp_path / "net.mar").open("wb") as target:
            write_archive(files, target)
        return tmp_path / "net.mar"

    return write


def unpacked(archive, folder):
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    return folder


@pytest.mark.parametrize("outside", [False, True])
def test_bodies_are_the_same_and_what_decided_is_noted(archive, tmp_path, start, images, spooled, outside):
    plain = archive(outside)
    wrapped = wrap_archive(plain, tmp_path / "wrapped.mar")
    assert wrapped.handler == HANDLER
    bare = start(unpacked(plain, tmp_path / "bare"))
    batches = [images(3), images(1), images(5)]
    theirs = [bare.ask(batch) for batch in batches]
    worker = start(unpacked(tmp_path / "wrapped.mar", tmp_path / "models" / "net"))
    worker.ask(images(1))
    wait(worker)
    assert json.dumps([worker.ask(batch) for batch in batches]) == json.dumps(theirs)
    noted = spooled("net")
    assert all(set(one.sample.activations) == {"nodes_nodes_2_Gemm"} for one in noted)
    assert {entry.layer for one in noted for entry in one.entries} == {"trunk_trunk_3_Relu_1"}
    assert len(noted) >= 9


def wait(worker):
    """Let the observer be made, for which requests do not wait."""
    attachment = worker.runtime.watch.attachment
    if attachment.starting is not None:
        attachment.starting.join()


def test_the_session_is_left_as_it_was(archive, tmp_path, start, watches):
    wrap_archive(archive(), tmp_path / "wrapped.mar")
    worker = start(unpacked(tmp_path / "wrapped.mar", tmp_path / "models" / "net"))
    (watch,) = watches
    holder = watch._original.instance
    assert isinstance(holder.session, StandIn)
    assert holder.session.get_providers() == ["CPUExecutionProvider"]
    x = np.zeros((1, 3, 16, 16), np.float32)
    assert holder.session.run(["scores"], {"x": x})[0].shape == (1, 5)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        holder.session.run(None, {"x": np.zeros((1, 3, 15, 16), np.float32)})
    with pytest.raises(ValueError, match="Required inputs"):
        holder.session.run(None, {})
    watch.close()
    assert isinstance(holder.session, onnxruntime.InferenceSession)
    assert worker.predict([]) is not None


def test_a_network_that_is_said_to_segment_is_watched_as_such(
    archive, tmp_path, start, images, spooled, monkeypatch
):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(6, 3, 1))
    monkeypatch.setattr(onnx_archives, "build", lambda _: net.eval())
    plain = archive(sample=(3, 16, 16))
    said = {"model": {"segmentation": {"background": 0}}, "preprocess": {"size": [16, 16], "channels": 3}}
    wrap_archive(plain, tmp_path / "wrapped.mar", {**said, "foveal": {"rule": "nonzero"}})
    bare = start(unpacked(plain, tmp_path / "bare"))
    worker = start(unpacked(tmp_path / "wrapped.mar", tmp_path / "models" / "net"))
    worker.ask(images(1))
    wait(worker)
    assert json.dumps(worker.ask(images(3))) == json.dumps(bare.ask(images(3)))
    noted = spooled("net")
    assert len(noted) >= 3
    assert {len(one.sample.scores) for one in noted} == {3}
    assert {one.sample.scores[0] for one in noted} == {0.0}
    (layer,) = noted[0].sample.activations
    windows = [entry.window for one in noted for entry in one.entries if entry.feature.startswith(layer)]
    assert windows
    sides = {max(y1 - y0, x1 - x0) for y0, x0, y1, x1 in windows}
    assert sides == {2, 3}  # what its first convolution reads, less at borders


def test_unwrapping_gives_the_archive_back(archive, tmp_path):
    plain = archive()
    wrap_archive(plain, tmp_path / "wrapped.mar")
    with zipfile.ZipFile(tmp_path / "wrapped.mar") as content:
        assert CARRIED in content.namelist()
    unwrap(tmp_path / "wrapped.mar", tmp_path / "again.mar")
    assert (tmp_path / "again.mar").read_bytes() == plain.read_bytes()


def test_what_cannot_be_watched_is_told_when_it_is_wrapped(archive, tmp_path):
    plain = archive(name="Trace")
    with zipfile.ZipFile(plain) as content:
        assert "trace.onnx" in content.namelist()
    broken = tmp_path / "broken"
    unpacked(plain, broken)
    (broken / "trace.onnx").write_bytes(b"no model")
    with pytest.raises(UsageError, match="is no ONNX file"):
        wrap_archive(broken, tmp_path / "wrapped")
