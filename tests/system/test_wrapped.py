"""A real TorchServe serves archives bare, wrapped, and behind the import hook: the bodies are the same."""

from __future__ import annotations

import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from foveal.archives.mar import write_archive
from foveal.archives.wrapping import wrap
from foveal.servers import TorchServe
from foveal.spool import loss_counters, read_segment
from foveal_handlers.hook.__main__ import install

pytestmark = pytest.mark.slow

HANDLERS = Path(__file__).parents[1] / "handlers" / "wrapped" / "handlers"
STYLES = {
    "class": "class_handler.py",
    "function": "function_handler.py:other_name",
    "micro": "micro_handler.py",
}
NETWORK = b"""
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
SITE = """
import site

site.addsitedir({folder!r})  # as Python does with the environment's own packages
"""


def weights():
    scope = {}
    exec(NETWORK, scope)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        out = io.BytesIO()
        torch.save(scope["Tiny"]().state_dict(), out)
    return out.getvalue()


def archive(path, name, handler, yaml=b"minWorkers: 1\nmaxWorkers: 1\nbatchSize: 4\nmaxBatchDelay: 20\n"):
    file = handler.partition(":")[0]
    model = {"modelName": name, "handler": handler, "modelVersion": "1.0", "serializedFile": "tiny.pt"}
    manifest = {"model": {**model, "modelFile": "network.py", "configFile": "model-config.yaml"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {
        "MAR-INF/MANIFEST.json": json.dumps(manifest).encode(),
        "network.py": NETWORK,
        "tiny.pt": weights(),
        file: HANDLERS / file,
        "model-config.yaml": yaml,
    }
    with path.open("wb") as target:
        write_archive(files, target)
    return path


def picture(seed):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(12, 40)), int(rng.integers(12, 40)), 3)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(out, ("PNG", "JPEG")[seed % 2])
    return out.getvalue()


def samples(spool, model):
    files = [path for path in (spool / model).glob("*") if path.suffix in {".open", ".seg"}]
    return [one.sample.sample for path in files for one in read_segment(path)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wrapped")


@pytest.fixture(scope="module")
def server(folder):
    """Serve every style bare and wrapped."""
    for style, handler in STYLES.items():
        bare = archive(folder / "bare" / f"{style}.mar", style, handler)
        renamed = archive(folder / "renamed" / f"{style}.mar", f"{style}-wrapped", handler)
        (folder / "store").mkdir(exist_ok=True)
        (folder / "store" / bare.name).write_bytes(bare.read_bytes())
        wrap(renamed, folder / "store" / f"{style}-wrapped.mar")
    with TorchServe(folder / "store", spool=folder / "spool", logs=folder / "logs") as server:
        yield server


def ask_both(server, count):
    """Ask every style, bare and wrapped, for the same pictures; some are none.

    Those are kept from the micro-batches: a thread of theirs that fails leaves its worker waiting for ever.
    """

    def ask(number):
        style = list(STYLES)[number % 3]
        data = b"no picture" if number % 10 == 9 and style != "micro" else picture(number)
        pair = (server.request(f"/predictions/{style}{kind}", data) for kind in ("", "-wrapped"))
        return (style, *pair)

    with ThreadPoolExecutor(2) as pool:  # now and then two are in one batch
        return list(pool.map(ask, range(count)))


def differing(answers):
    return [
        (style, bare.status, bare.body, wrapped.status, wrapped.body)
        for style, bare, wrapped in answers
        if (bare.status, bare.body.replace(style.encode(), b"")) != (wrapped.status, _unnamed(wrapped, style))
    ]


def _unnamed(answer, style):
    return answer.body.replace(f"{style}-wrapped".encode(), b"").replace(style.encode(), b"")


def warm(server, models):
    """Give every worker its first picture, and the time to choose layers by it."""
    for model in models:
        deadline = time.monotonic() + 60
        while "x-foveal-record" not in server.request(f"/predictions/{model}", picture(0)).headers:
            assert time.monotonic() < deadline, model
            time.sleep(0.5)


def holds(server, folder, count):
    warm(server, [f"{style}-wrapped" for style in STYLES])
    answers = ask_both(server, count)
    assert differing(answers) == []
    for style in STYLES:
        own = [wrapped for name, _, wrapped in answers if name == style]
        recorded = [one.headers["x-foveal-record"] for one in own if "x-foveal-record" in one.headers]
        good = [one for one in own if one.status == 200]
        spooled = samples(folder / "spool", f"{style}-wrapped")
        assert len(recorded) == len(good) > len(own) / 2
        assert set(recorded) <= set(spooled)
        assert len(spooled) == len(set(spooled))
        assert set(loss_counters(folder / "spool" / f"{style}-wrapped")) <= {"starting"}
        assert not (folder / "spool" / style).exists()


def test_two_hundred_bodies_are_the_same(server, folder):
    holds(server, folder, 200)


@pytest.mark.full
def test_three_thousand_bodies_are_the_same(server, folder):
    holds(server, folder, 3000)


def test_the_worker_tells_nothing_that_torchserve_would_misread(server, folder):
    log = (folder / "logs" / "model_log.log").read_text()
    assert "Foveal observes the predictions of class_handler:ClassHandler" in log
    assert "Foveal observes nothing" not in log


def test_untouched_archives_behind_the_import_hook(folder):
    store = folder / "hooked"
    archive(store / "plain.mar", "plain", STYLES["function"])
    wrap(archive(folder / "second" / "twice.mar", "twice", STYLES["class"]), store / "twice.mar")
    site = folder / "site"
    site.mkdir()
    install(site)
    (site / "sitecustomize.py").write_text(SITE.format(folder=str(site)))
    paths = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    environ = {"FOVEAL_HOOK": "1", "PYTHONPATH": paths}
    spool = folder / "hooked-spool"
    with TorchServe(store, spool=spool, logs=folder / "hooked-logs", environ=environ) as server:
        warm(server, ("plain", "twice"))
        keys = [
            server.request(f"/predictions/{model}", picture(number)).headers["x-foveal-record"]
            for number in range(10)
            for model in ("plain", "twice")
        ]
    assert set(keys[::2]) <= set(samples(spool, "plain"))
    both = samples(spool, "twice")
    assert set(keys[1::2]) <= set(both)
    assert len(both) == len(set(both))
    log = (folder / "hooked-logs" / "model_log.log").read_text()
    assert "Foveal stands round the handler function_handler, by the import hook (FOVEAL_HOOK=1)" in log
