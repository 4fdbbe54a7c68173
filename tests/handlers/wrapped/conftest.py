"""Handlers as people write them, loaded by TorchServe's own loader: bare, and wrapped by our entry file."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
import ts
from PIL import Image
from ts.context import RequestProcessor
from ts.handler_utils.micro_batching import MicroBatching
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader

from foveal.spool import loss_counters, read_segment
from foveal_handlers.mar import wrapped as entry_file
from foveal_handlers.wrapped.watch import Watch

torch.set_num_threads(1)

HANDLERS = Path(__file__).parent / "handlers"
NETWORK = """
from torch import nn


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(8, 6)
        self.fc2 = nn.Linear(6, 4)

    def forward(self, x):
        x = self.conv2(self.conv1(x).relu()).relu().mean((2, 3))
        return self.fc2(self.fc1(x).relu())
"""


def network():
    scope = {}
    exec(NETWORK, scope)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return scope["Tiny"]().eval()


def png(seed, size=(16, 16)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


class Worker:
    """One worker's service, as TorchServe's worker loads it and calls it."""

    def __init__(self, folder, envelope=None):
        manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text())
        metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
        metrics.initialize_cache()
        self.service = TsModelLoader().load(
            manifest["model"]["modelName"],
            str(folder),
            manifest["model"]["handler"],
            None,
            8,
            envelope,
            True,
            metrics,
        )
        self.context = self.service.context
        self.sent = self.service.cl_socket = _Socket()

    def prepare(self, rows, headers=None, ids=None, context=None):
        context = context or self.context
        context.request_ids = dict(enumerate(ids or [f"id-{index}" for index in range(len(rows))]))
        context.metrics.request_ids = context.request_ids
        every = headers or [{}] * len(rows)
        context.request_processor = [RequestProcessor({"explain": "False", **one}) for one in every]
        context.cl_socket = self.sent
        return [dict(row) if isinstance(row, dict) else {"body": bytearray(row)} for row in rows]

    def ask(self, rows, headers=None, ids=None):
        return self.service._entry_point(self.prepare(rows, headers, ids), self.context)

    def predict(self, rows):
        """Send a batch through the whole of TorchServe's worker; gives the bytes that go to the server."""
        batch = [
            {
                "requestId": f"id-{index}".encode(),
                "headers": [{"name": b"explain", "value": b"False"}],
                "parameters": [{"name": "body", "value": bytearray(row), "contentType": "image/png"}],
            }
            for index, row in enumerate(rows)
        ]
        return bytes(self.service.predict(batch))

    def record(self, index):
        return self.context.get_response_headers(index).get("X-Foveal-Record")

    @property
    def runtime(self):
        """What of ours stands round the handler, behind an envelope and the entry file; None if nothing."""
        found = self.service._entry_point
        for inner in ("_handle_fn", "_entry"):
            owner = getattr(found, "__self__", None)
            found = getattr(owner, inner, found)
        return getattr(found, "__self__", None)


class _Socket(list):
    def sendall(self, message):
        self.append(bytes(message))


def _forget(folder):
    """Let no module of a model stay: each worker is a process of its own."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def model_folder(tmp_path):
    """Unpack a model as TorchServe does: one of the handlers beside this file, or a built-in one."""

    def unpack(handler, kind="eager", name="tiny", settings=None, yaml=None):
        folder = tmp_path / "models" / name
        (folder / "MAR-INF").mkdir(parents=True)
        model = {"modelName": name, "handler": handler, "modelVersion": "1.0", "serializedFile": "tiny.pt"}
        file = HANDLERS / f"{handler.partition(':')[0].removesuffix('.py')}.py"
        if file.is_file():
            shutil.copy(file, folder)
            shutil.copy(HANDLERS / "class_handler.py", folder / "class_base.py")
        if kind == "eager":
            (folder / "network.py").write_text(dedent(NETWORK))
            torch.save(network().state_dict(), folder / "tiny.pt")
            model["modelFile"] = "network.py"
        else:
            torch.jit.trace(network(), torch.zeros(1, 3, 16, 16)).save(str(folder / "tiny.pt"))
        if yaml is not None:
            (folder / "model-config.yaml").write_text(yaml)
            model["configFile"] = "model-config.yaml"
        (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps({"model": model}))
        return folder

    return unpack


def _wrap(folder, section=None, **more):
    path = folder / "MAR-INF" / "MANIFEST.json"
    manifest = json.loads(path.read_text())
    settings = {
        "foveal": section or {},
        **more,
        "wrapped": {"version": 1, "handler": manifest["model"]["handler"]},
    }
    (folder / "MAR-INF" / "FOVEAL.json").write_text(json.dumps(settings))
    shutil.copy(entry_file.__file__, folder / "foveal_wrapped_entry.py")
    manifest["model"]["handler"] = "foveal_wrapped_entry.py"
    path.write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def wrap():
    """Do to an unpacked archive by hand what `foveal wrap` does."""
    return _wrap


@pytest.fixture
def micro_batches(monkeypatch):
    """End the threads of handlers with micro-batches, for which Python would wait for ever in the end."""
    made, make = [], MicroBatching._create_queues

    def noted(self):
        made.append(self)
        make(self)

    monkeypatch.setattr(MicroBatching, "_create_queues", noted)
    yield
    for worker in (worker for one in made for group in one.thread_groups.values() for worker in group):
        worker.event.set()
    for one in made:
        one.shutdown()


@pytest.fixture
def watches(monkeypatch):
    """List every watch that is made during a test, round whatever handler, and end them all."""
    made, make = [], Watch.__init__

    def noted(self, *args, **kwargs):
        made.append(self)
        make(self, *args, **kwargs)

    monkeypatch.setattr(Watch, "__init__", noted)
    yield made
    for one in made:
        one.close()


@pytest.fixture
def start(monkeypatch, tmp_path, micro_batches, watches):
    """Start a worker in its model's folder, with a spool."""
    monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))

    def run(folder, envelope=None):
        _forget(tmp_path)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))
        return Worker(folder, envelope)

    yield run
    _forget(tmp_path)


@pytest.fixture
def both(model_folder, wrap, start):
    """Start the same handler bare and wrapped; the settings say what the network takes."""

    def run(handler, kind="eager", envelope=None, section=None, **more):
        bare = start(model_folder(handler, kind, name="bare"), envelope)
        sized = {"preprocess": {"size": [16, 16], "channels": 3}, **more}
        return bare, start(wrap(model_folder(handler, kind), section, **sized), envelope)

    return run


@pytest.fixture
def spooled(tmp_path):
    """Read what is in the spool."""

    def read(name="tiny"):
        folder = tmp_path / "spool" / name
        segments = sorted([*folder.glob("*.open"), *folder.glob("*.seg")])
        return [observation for segment in segments for observation in read_segment(segment)]

    return read


@pytest.fixture
def lost(tmp_path):
    """Read what was not observed."""
    return lambda name="tiny": dict(loss_counters(tmp_path / "spool" / name))


@pytest.fixture
def images():
    """Make the bytes of some images."""
    return lambda count, size=(16, 16): [png(seed, size) for seed in range(count)]


@pytest.fixture
def eager_network():
    """The served network itself."""
    return network()


@pytest.fixture
def grey():
    """Make one image from a seed."""
    return png
