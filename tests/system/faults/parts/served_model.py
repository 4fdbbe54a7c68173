"""A small classifier in its worker, without a server: asked for one row at a time."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from zipfile import ZipFile

import torch
import ts
from PIL import Image
from torch import nn
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.metrics.metrics_store import MetricsStore
from ts.model_loader import TsModelLoader
from ts.utils.util import PredictionException, get_yaml_config

from foveal.archives.mar import read_manifest, write_archive
from foveal.archives.pack import pack
from foveal.archives.wrapping import wrap

_NETWORK = """
    from torch import nn


    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 12, 3, padding=1)
            self.fc = nn.Linear(12, 5)

        def forward(self, x):
            x = self.second(self.first(x).relu()).relu()
            return self.fc(x.mean((2, 3)))
"""


#: A handler as TorchServe's documentation has people write them; rows of any other kind are its own affair.
_USERS_HANDLER = """
    import base64
    import io

    import numpy as np
    import torch
    from PIL import Image
    from ts.torch_handler.base_handler import BaseHandler


    class UsersHandler(BaseHandler):
        def preprocess(self, data):
            return torch.stack([self._read(row.get("data") or row.get("body")) for row in data])

        def postprocess(self, data):
            return torch.softmax(data, 1).tolist()

        def _read(self, content):
            if isinstance(content, str):
                content = base64.b64decode(content)
            if not isinstance(content, (bytes, bytearray)):
                return torch.FloatTensor(content)
            image = Image.open(io.BytesIO(content)).convert("RGB").resize((16, 16))
            return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)
"""


@dataclass(frozen=True)
class Row:
    """One request as TorchServe hands it over."""

    content: object
    headers: dict[str, object] = field(default_factory=dict)
    request_id: str = "id"


@dataclass(frozen=True)
class Answer:
    """What the client would get."""

    status: int
    body: object


def write_model(folder):
    """Write the classifier's source and weights."""
    folder.mkdir(parents=True)
    (folder / "small.py").write_text(dedent(_NETWORK))
    torch.manual_seed(2)
    layers = {"first": nn.Conv2d(3, 8, 3), "second": nn.Conv2d(8, 12, 3), "fc": nn.Linear(12, 5)}
    state = {
        f"{name}.{key}": value for name, own in layers.items() for key, value in own.state_dict().items()
    }
    torch.save(state, folder / "small.pt")


def unpack(mar):
    """Unpack an archive as TorchServe does."""
    folder = mar.parent / "unpacked"
    with ZipFile(mar) as archive:
        archive.extractall(folder)
    return folder


def unpack_model(folder, **changes):
    """Pack the classifier and unpack it."""
    write_model(folder)
    how = {
        "size": (16, 16),
        "channels": 3,
        "mean": (0.5,),
        "std": (0.25,),
        "labels": tuple("abcde"),
        **changes,
    }
    return unpack(pack("vision", folder / "small.py", folder / "small.pt", folder / "small.mar", **how))


def unpack_users_model(folder, config=None):
    """Archive the classifier with a user's own handler, wrap that where there is a config, and unpack it."""
    write_model(folder)
    (folder / "users.py").write_text(dedent(_USERS_HANDLER))
    model = {"modelName": "small", "modelVersion": "1", "modelFile": "small.py", "serializedFile": "small.pt"}
    manifest = json.dumps({"model": {**model, "handler": "users.py"}}).encode()
    files = {name: folder / name for name in ("small.py", "small.pt", "users.py")}
    with (folder / "small.mar").open("wb") as out:
        write_archive({"MAR-INF/MANIFEST.json": manifest, **files}, out)
    if config is None:
        return unpack(folder / "small.mar")
    (folder / "wrapped").mkdir()
    wrap(folder / "small.mar", folder / "wrapped" / "small.mar", config)
    return unpack(folder / "wrapped" / "small.mar")


def small_picture():
    """An image that every handler takes."""
    out = io.BytesIO()
    Image.radial_gradient("L").resize((30, 20)).save(out, "PNG")
    return out.getvalue()


def ask(entry, context, row):
    """Have a row answered as the worker would: it makes a status of whatever a handler raises."""
    context.request_ids = {0: row.request_id}
    context.request_processor = [
        RequestProcessor({"content-type": "image/png", "explain": "False", **row.headers})
    ]
    try:
        (body,) = entry([row.content], context)
    except PredictionException as refused:
        return Answer(refused.error_code, refused.message)
    except MemoryError as fault:
        return Answer(507, str(fault))
    except Exception as fault:  # noqa: BLE001 - as in the worker
        return Answer(503, type(fault).__name__)
    return Answer(context.get_response_status(0)[0] or 200, body)


class Worker:
    """A handler with the context of a worker; give it the class of the handler."""

    def __init__(self, handler, folder):
        manifest = {"model": read_manifest(folder)}
        config = folder / manifest["model"].get("configFile", "model-config.yaml")
        self.context = Context(
            *("small", str(folder), manifest, 1, None, "0.12.0"),
            metrics=MetricsStore({}, "small"),
            model_yaml_config=get_yaml_config(config) if config.is_file() else {},
        )
        self.handler = handler()
        self.handler.initialize(self.context)

    def __call__(self, row):
        """Answer a row."""
        return ask(self.handler.handle, self.context, row)

    def record(self):
        """Give the key under which the last row was written down."""
        return self.context.get_response_headers(0).get("X-Foveal-Record")


class LoadedWorker:
    """An unpacked archive, loaded by TorchServe's own loader, by the names that its manifest gives."""

    def __init__(self, folder):
        here, path = Path.cwd(), list(sys.path)
        model = read_manifest(folder)
        metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
        metrics.initialize_cache()
        try:
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            load = TsModelLoader().load
            service = load("small", str(folder), model["handler"], None, 1, None, True, metrics)
        finally:
            os.chdir(here)
            sys.path[:] = path
            _forget(folder)
        self.entry, self.context = service._entry_point, service.context

    def __call__(self, row):
        """Answer a row."""
        return ask(self.entry, self.context, row)

    def record(self):
        """Give the key under which the last row was written down."""
        return self.context.get_response_headers(0).get("X-Foveal-Record")

    @property
    def watch(self):
        """What of ours watches a wrapped handler."""
        return self.entry.__self__._entry.__self__.watch


def _forget(folder):
    """Let no module of a model stay: each worker is a process of its own."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
