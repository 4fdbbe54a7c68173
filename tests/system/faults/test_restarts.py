"""Workers and the whole of TorchServe are killed while requests run: the same answers, and no record lost."""

from __future__ import annotations

import io
import logging
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from foveal.archives.pack import pack
from foveal.errors import EnvironmentFault
from foveal.library import Library
from foveal.servers import TorchServe
from foveal.servers.http import ask
from foveal.shipper import ship

pytestmark = pytest.mark.slow

MODELS = ("single", "batched")
LABELS = tuple("0123456789")


def image(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 34), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


IMAGES = [image(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def store(tmp_path_factory, models):
    """The same network twice: one request at a time, and in batches."""
    folder = tmp_path_factory.mktemp("store")
    source, weights = models / "digit_net.py", folder / "weights.pt"
    scope = {}
    exec(source.read_text(), scope)
    torch.manual_seed(1)
    torch.save(scope["DigitNet"]().state_dict(), weights)
    how = {"size": (28, 28), "channels": 1, "mean": (0.5,), "std": (0.25,), "labels": LABELS}
    unhurried = {"foveal": {"budget": 60_000}}
    in_batches = {"batchSize": 4, "maxBatchDelay": 40}
    pack("vision", source, weights, folder / "single.mar", **how, config=unhurried)
    pack("vision", source, weights, folder / "batched.mar", **how, config=unhurried | in_batches)
    weights.unlink()
    return folder


class Clients:
    """Ask as fast as answers come, and note every answer."""

    def __init__(self, server):
        self.server, self.stop = server, threading.Event()
        self.answers, self.failures = [], Counter()
        self._pool = ThreadPoolExecutor(4)
        self._running = [self._pool.submit(self._ask, MODELS[n % 2], n) for n in range(4)]

    def _ask(self, model, seed):
        chance = random.Random(seed)
        while not self.stop.wait(0.02):
            number = chance.randrange(len(IMAGES))
            try:
                # TorchServe forgets some of a dead worker's requests: nobody ever answers them.
                url = f"{self.server.inference_url}/predictions/{model}"
                answer = ask(url, IMAGES[number], seconds=4)
            except EnvironmentFault:
                self.failures["no answer"] += 1
                continue
            if answer.status == 200:
                self.answers.append((model, number, answer.body, answer.headers.get("x-foveal-record")))
            else:
                self.failures[answer.status] += 1

    def wait_for_more(self):
        """Wait until each model has answered again."""
        before = Counter(model for model, *_ in self.answers)
        deadline = time.monotonic() + 120
        while not all(Counter(m for m, *_ in list(self.answers))[m] > before[m] + 5 for m in MODELS):
            assert time.monotonic() < deadline, self.failures
            time.sleep(0.05)

    def finish(self):
        self.stop.set()
        for running in self._running:
            running.result()
        self._pool.shutdown()
        return self.answers


def workers(server):
    members = psutil.Process(server._group.pid).children(recursive=True)
    return [one for one in members if any("model_service_worker" in word for word in one.cmdline())]


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.full)])
def test_nothing_is_lost_and_answers_stay_the_same(tmp_path, store, database, monkeypatch, kills):
    chance, spool = random.Random(3), tmp_path / "spool"
    with TorchServe(store, spool=spool, logs=tmp_path / "logs") as server:
        expected = {
            n: server.request("/predictions/single", content).body for n, content in enumerate(IMAGES)
        }
        clients = Clients(server)
        for _ in range(kills):
            clients.wait_for_more()
            time.sleep(chance.random() * 0.2)
            for worker in workers(server):
                worker.kill()
        clients.wait_for_more()
        java = [one for one in psutil.Process(server._group.pid).children(True) if "java" in one.name()]
        for each in java:
            each.kill()
        answers = clients.finish()
        assert clients.failures  # it was mid-work
    (spool / "single" / "garbage.open").write_bytes(b"\0" * 5000)
    (spool / "single" / "quarantine").touch()
    logging.getLogger(__name__).warning(
        "%d answers, %d named a record, failures %s",
        *(len(answers), sum(bool(record) for *_, record in answers), dict(clients.failures)),
    )
    with TorchServe(store, spool=spool, logs=tmp_path / "logs") as server:
        again = {n: server.request("/predictions/single", content).body for n, content in enumerate(IMAGES)}
    assert again == expected
    assert all(body == expected[number] for model, number, body, _ in answers if model == "single")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    shipped = ship(spool)
    assert (shipped.quarantined, shipped.still_open) == (1, 0)
    for model in MODELS:
        records = [record for asked, _, _, record in answers if asked == model and record]
        found = Library(model).samples(columns=["sample"])["sample"].to_pylist()
        assert len(found) == len(set(found))
        assert len(records) == len(set(records))
        assert set(records) <= set(found)
        assert len(records) > 5
