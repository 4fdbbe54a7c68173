"""A real TorchServe serves ONNX files: the same bodies audited and not, and what decided is in the spool."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from onnx_archives import packed
from PIL import Image

from foveal.archives import load_model
from foveal.developing import develop
from foveal.samples import decode_image
from foveal.servers import TorchServe
from foveal.servers.process import living_members
from foveal.spool import read_segment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def server(folder):
    store = folder / "store"
    packed(store, "audited.mar")
    packed(store, "plain.mar", config={"foveal": {"sample_rate": 0}})
    (store / "residual.onnx").unlink()
    with TorchServe(store, spool=folder / "spool", logs=folder / "logs") as server:
        yield server


@pytest.fixture(scope="module")
def images():
    made = []
    for seed in range(12):
        out = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(out, "PNG")
        made.append(out.getvalue())
    return made


def test_bodies_are_the_same_and_what_decided_is_kept(server, folder, images):
    for image in images:
        audited, plain = (server.request(f"/predictions/{one}", image) for one in ("audited", "plain"))
        assert (audited.status, plain.status) == (200, 200)
        assert audited.body == plain.body
    paths = [path for path in (folder / "spool" / "audited").glob("*") if path.suffix in {".open", ".seg"}]
    noted = [develop(seen) for path in paths for seen in read_segment(path)]
    assert len(noted) == len(images)
    model = load_model(str(folder / "store" / "audited.mar"))
    assert {one.sample.model_sha256 for one in noted} == {model.sha256}
    x = model.transform(decode_image(images[0], ""))[None]
    with model.observer(x) as observer:
        truth = observer.forward(x)
    first = min(noted, key=lambda one: one.sample.time)
    assert np.allclose(first.sample.scores, truth.output[0], atol=1e-6)
    assert all(any(entry.feature == "contribution" for entry in one.entries) for one in noted)


def test_the_worker_holds_no_package_onnx(server):
    """Its libraries are mapped where it is imported; that of onnxruntime is."""
    workers = living_members(server._group.pid)
    mapped = [Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").split() for pid in workers]
    serving = [paths for paths in mapped if any("onnxruntime" in path for path in paths)]
    assert len(serving) == 2
    assert not any("onnx_cpp2py" in path for paths in serving for path in paths)
