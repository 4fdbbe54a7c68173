"""A TorchServe serves wrapped archives of every form like the bare ones beside them."""

from __future__ import annotations

import io
import json

import pytest
import torch
from PIL import Image
from plain_archives import files, laid_out, manifest, tarred, zipped
from torch import nn

from foveal.archives.mar import MANIFEST
from foveal.archives.wrapping import wrap
from foveal.servers import TorchServe
from foveal.servers.http import ask

CLASS = """
import logging
from ts.torch_handler.vision_handler import VisionHandler


class Mine(VisionHandler):
    def postprocess(self, scores):
        return [{"scores": row, "handler": self.manifest["model"]["handler"]} for row in scores.tolist()]

    def preprocess(self, data):
        import io, numpy, torch
        from PIL import Image
        images = [numpy.array(Image.open(io.BytesIO(row["body"])).convert("RGB")) for row in data]
        return torch.tensor(numpy.stack(images)).permute(0, 3, 1, 2) / 255
"""
FUNCTION = """
import torch

model = None


def answer(data, context):
    global model
    if model is None:
        model = torch.jit.load(context.system_properties["model_dir"] + "/net.pt")
    if data is None:
        return None
    sizes = [len(row["body"]) for row in data]
    return [f"{model(torch.full((1, 3, 8, 8), float(size))).tolist()}" for size in sizes]
"""


def scripted(path):
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    torch.jit.trace(network.eval(), torch.rand(1, 3, 32, 32)).save(str(path))
    return path.read_bytes()


@pytest.fixture
def store(tmp_path):
    """Three wrapped models of three forms, and the first of them bare."""
    weights = scripted(tmp_path / "net.pt")
    folder = tmp_path / "store"
    folder.mkdir()
    kinds = {
        "class": (zipped, ".mar", "h.py", CLASS, "responseTimeout: 44\nbatchSize: 2\nmaxBatchDelay: 5\n"),
        "function": (tarred, ".tar.gz", "h.py:answer", FUNCTION, None),
        "builtin": (laid_out, "", "vision_handler", "", None),
    }
    for kind, (make, suffix, handler, source, config) in kinds.items():
        for name, place in ((f"{kind}-bare", folder), (f"{kind}-wrapped", tmp_path)):
            if kind != "class" and place == folder:
                continue  # what these answer is known without a worker of their own
            content = files(config=config) | {"h.py": source.encode(), "net.pt": weights}
            more = {"configFile": "model-config.yaml"} if config else {}
            described = manifest(handler, modelName=name, serializedFile="net.pt", **more)
            make(place / f"{name}{suffix}", {**content, MANIFEST: described})
        wrap(tmp_path / f"{name}{suffix}", folder / f"{name}{suffix}", {"foveal": {"max_windows": 1}})
    return folder


@pytest.mark.slow
def test_every_form_is_served_as_before(store, tmp_path):
    picture = io.BytesIO()
    Image.radial_gradient("L").resize((30, 28)).convert("RGB").save(picture, "PNG")
    numbers, network = torch.rand(3, 8, 8), torch.jit.load(str(tmp_path / "net.pt"))
    with TorchServe(store, spool=tmp_path / "spool") as server:
        assert sorted(server.models) == ["builtin-wrapped", "class-bare", "class-wrapped", "function-wrapped"]
        for body in (picture.getvalue(), b"no image"):
            one, other = (answer(server, name, body) for name in ("class-bare", "class-wrapped"))
            assert one == other
            assert (one[0] == 200) is (body != b"no image")
        assert answer(server, "function-wrapped", b"three") == (
            200,
            f"{network(torch.full((1, 3, 8, 8), 5.0)).tolist()}".encode(),
        )
        status, body = answer(server, "builtin-wrapped", json.dumps(numbers.tolist()).encode())
        assert status == 200
        assert torch.allclose(torch.tensor(json.loads(body)), network(numbers[None])[0])
        assert described(server, "class-bare") == described(server, "class-wrapped")
        seconds = [described(server, f"{kind}-wrapped")["responseTimeout"] for kind in ("class", "function")]
        assert seconds == [44, 120]
        log = (server.logs / "model_log.log").read_text()
    assert "Foveal observes nothing" not in log


def answer(server, name, body):
    headers = {"Content-Type": "application/json" if body.startswith(b"[") else "application/octet-stream"}
    given = server.request(f"/predictions/{name}", body, headers)
    return given.status, given.body.replace(name.encode(), b"")


def described(server, name):
    """Say how the model is served."""
    (version,) = json.loads(ask(f"{server.management_url}/models/{name}").body)
    keys = ("responseTimeout", "startupTimeout", "batchSize", "maxBatchDelay", "minWorkers", "maxWorkers")
    return {key: version.get(key) for key in keys}
