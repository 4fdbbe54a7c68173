"""A small classifier in its worker, without a server: asked for one row at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent
from zipfile import ZipFile

import torch
from torch import nn
from ts.context import Context, RequestProcessor
from ts.metrics.metrics_store import MetricsStore
from ts.utils.util import PredictionException, get_yaml_config

from foveal.archives.mar import read_manifest
from foveal.archives.pack import pack

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


def unpack_model(folder, **changes):
    """Pack the classifier and unpack it as TorchServe does."""
    folder.mkdir(parents=True)
    (folder / "small.py").write_text(dedent(_NETWORK))
    torch.manual_seed(2)
    layers = {"first": nn.Conv2d(3, 8, 3), "second": nn.Conv2d(8, 12, 3), "fc": nn.Linear(12, 5)}
    state = {
        f"{name}.{key}": value for name, own in layers.items() for key, value in own.state_dict().items()
    }
    torch.save(state, folder / "small.pt")
    how = {
        "size": (16, 16),
        "channels": 3,
        "mean": (0.5,),
        "std": (0.25,),
        "labels": tuple("abcde"),
        **changes,
    }
    mar = pack("vision", folder / "small.py", folder / "small.pt", folder / "small.mar", **how)
    with ZipFile(mar) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


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
        """Answer a row as the worker would: whatever else a handler raises becomes a 503 there."""
        self.context.request_ids = {0: row.request_id}
        self.context.request_processor = [
            RequestProcessor({"content-type": "image/png", "explain": "False", **row.headers})
        ]
        try:
            (body,) = self.handler.handle([row.content], self.context)
        except PredictionException as refused:
            return Answer(refused.error_code, refused.message)
        return Answer(self.context.get_response_status(0)[0] or 200, body)

    def record(self):
        """Give the key under which the last row was written down."""
        return self.context.get_response_headers(0).get("X-Foveal-Record")
