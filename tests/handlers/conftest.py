"""A small served classifier: its archive unpacked as TorchServe does it, and requests as it gives them."""

from __future__ import annotations

import io
import logging
import threading
from textwrap import dedent
from types import ModuleType
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from ts.context import Context, RequestProcessor
from ts.metrics.metrics_store import MetricsStore
from ts.utils.util import get_yaml_config

from foveal.archives.mar import read_manifest
from foveal.archives.pack import pack
from foveal.developing import develop
from foveal.samples import ImageTransform, decode_image
from foveal.spool import read_segment
from foveal_handlers.vision import VisionHandler

torch.set_num_threads(1)

NETWORK = """
    from torch import nn


    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.early = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
            self.late = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
            self.fc1 = nn.Linear(12, 10)
            self.fc2 = nn.Linear(10, 7)

        def forward(self, x):
            x = self.late(self.early(x)).mean((2, 3))
            return self.fc2(self.fc1(x).relu())
"""
LABELS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def _state():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        parts = {"early.0": nn.Conv2d(3, 8, 3), "late.0": nn.Conv2d(8, 12, 3)}
        parts |= {"fc1": nn.Linear(12, 10), "fc2": nn.Linear(10, 7)}
        return {
            f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
        }


@pytest.fixture
def unpacked(tmp_path):
    """Pack the model and unpack the archive; keyword arguments go to `pack`."""

    def unpack(**changes):
        (tmp_path / "small.py").write_text(dedent(NETWORK))
        torch.save(_state(), tmp_path / "small.pt")
        settings = {
            "size": (16, 16),
            "mean": (0.5,),
            "std": (0.25,),
            "channels": 3,
            "labels": LABELS,
            **changes,
        }
        out = pack("vision", tmp_path / "small.py", tmp_path / "small.pt", tmp_path / "small.mar", **settings)
        folder = tmp_path / "models" / "0123abcd"
        with ZipFile(out) as archive:
            archive.extractall(folder)
        return folder

    return unpack


def _png(seed, size=(20, 24), channels=3):
    if seed is None:
        return b"no image at all"
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, channels), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(out, "PNG")
    return out.getvalue()


def _new_context(folder, manifest=None):
    model = manifest or read_manifest(folder)
    config = get_yaml_config(folder / model["configFile"]) if "configFile" in model else {}
    return Context(
        "small",
        str(folder),
        {"model": model},
        1,
        None,
        "0.12.0",
        metrics=MetricsStore({}, "small"),
        model_yaml_config=config,
    )


def _request(context, contents, headers=None, ids=None, requests=None):
    count = requests or len(contents)
    context.request_ids = dict(enumerate(ids or [f"id-{index}" for index in range(count)]))
    every = headers or [{}] * count
    context.request_processor = [
        RequestProcessor({"body": {"content-type": "image/png"}, "explain": "False", **every[index]})
        for index in range(count)
    ]
    return [content if isinstance(content, dict) else {"body": bytearray(content)} for content in contents]


def _plain_answers(images):
    """Do by hand what the handler is to do: decode, stack, predict, name the five most probable classes."""
    network = ModuleType("network")
    exec(dedent(NETWORK), vars(network))
    model = network.Small().eval()
    model.load_state_dict(_state())
    transform = ImageTransform((16, 16), 3, (0.5,), (0.25,))
    x = torch.stack([transform(decode_image(image, "")) for image in images])
    with torch.inference_mode():
        probabilities, classes = torch.softmax(model(x), 1).topk(5)
    return [
        {LABELS[index]: value for index, value in zip(row, values, strict=True)}
        for row, values in zip(classes.tolist(), probabilities.tolist(), strict=True)
    ]


def _ours_at_work():
    """Name the threads of ours that go on: those with our name, and timers that are still to strike."""
    running = threading.enumerate()
    timers = [one for one in running if isinstance(one, threading.Timer) and not one.finished.is_set()]
    ours = [one.function for one in timers if one.function.__module__.startswith("foveal")]
    return [one.name for one in running if one.name.startswith("foveal")] + ours


@pytest.fixture
def at_work():
    """Name the threads of ours that go on in this process."""
    return _ours_at_work


@pytest.fixture(autouse=True)
def nothing_goes_on():
    """Fail a test that leaves something of ours at work: it would write into the spools of later ones."""
    yield
    assert _ours_at_work() == []


@pytest.fixture
def png():
    """Make an image's bytes from a seed; None gives bytes that are no image."""
    return _png


@pytest.fixture
def plain_answers():
    """Answer images with the network alone, without any handler."""
    return _plain_answers


@pytest.fixture
def new_context():
    """Make the context that a worker gives to its handler when it starts."""
    return _new_context


@pytest.fixture
def request_batch():
    """Fill a context with a batch of requests and give the batch's data."""
    return _request


@pytest.fixture
def labels():
    """The class names, in the order of the outputs."""
    return LABELS


class Served:
    """A handler in its worker."""

    def __init__(self, folder):
        self.folder = folder
        self.context = _new_context(folder)
        self.handler = VisionHandler()
        self.handler.initialize(self.context)

    def ask(self, contents, **how):
        return self.handler.handle(_request(self.context, contents, **how), self.context)

    def status(self, index):
        return self.context.get_response_status(index)[0]

    def record(self, index):
        return self.context.get_response_headers(index).get("X-Foveal-Record")


@pytest.fixture
def serve(unpacked, tmp_path, monkeypatch):
    """Start a handler that observes into a spool; `spool=False` starts a plain one."""
    started = []

    def start(spool=True, **changes):
        if spool:
            monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        else:
            monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
        started.append(Served(unpacked(**changes)))
        return started[-1]

    yield start
    for served in started:
        if served.handler.auditor is not None:
            served.handler.auditor.close()


@pytest.fixture
def spooled(tmp_path):
    """Read what is in the spool, as the shipper hands it on."""

    def read(name="small"):
        folder = tmp_path / "spool" / name
        segments = sorted([*folder.glob("*.open"), *folder.glob("*.seg")])
        return [develop(observation) for segment in segments for observation in read_segment(segment)]

    return read


@pytest.fixture
def warnings(caplog):
    """Give the warnings and errors that were logged."""
    caplog.set_level(logging.WARNING)
    return lambda: [record for record in caplog.records if record.levelno >= logging.WARNING]
