"""An archive whose handler runs an ONNX file: wrapped, it answers to the bit as before, and is watched."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import onnxruntime
import pytest
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
