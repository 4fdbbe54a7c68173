"""A real TorchServe serves archives bare, wrapped, and behind the import hook: the bodies are the same."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_archives import written
from PIL import Image
from torchserve_grpc import GrpcClient

from foveal.archives.mar import write_archive
from foveal.archives.wrapping import wrap
from foveal.servers import TorchServe
from foveal.servers.ports import free_port
from foveal.servers.settings import Ports
from foveal.spool import loss_counters, read_segment
from foveal_handlers.hook.__main__ import install

pytestmark = pytest.mark.slow

PARTS = Path(__file__).parent / "parts"
HANDLERS = Path(__file__).parents[1] / "handlers" / "wrapped" / "handlers"
STYLES = {
    "class": "class_handler.py",
    "function": "function_handler.py:other_name",
    "micro": "micro_handler.py",
}
IN_BATCHES = b"minWorkers: 1\nmaxWorkers: 1\nbatchSize: 4\nmaxBatchDelay: 20\n"
ONE_BY_ONE = b"minWorkers: 1\nmaxWorkers: 1\nbatchSize: 1\n"
#: So long a batch waits for its three requests.
IN_THREES = b"minWorkers: 1\nmaxWorkers: 1\nbatchSize: 3\nmaxBatchDelay: 500\n"
ROUTES = {
    "async": ("async_handler.py", ONE_BY_ONE + b"asyncCommunication: true\n"),
    "streaming": ("streaming_handler.py", ONE_BY_ONE),
    "enveloped": ("envelope_handler.py", IN_THREES),
    "onnx": ("onnx_handler.py", ONE_BY_ONE),
}
CLASS = ("class", "class-wrapped")
#: What the network takes is said here: who says nothing has it learnt from the first request.
SIZED = {"preprocess": {"size": [16, 16], "channels": 3}}
JSON = {"Content-Type": "application/json"}
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


def in_torch(_folder):
    """Give the network of most handlers: what the manifest says of it, and its files."""
    says = {"serializedFile": "tiny.pt", "modelFile": "network.py"}
    return says, {"network.py": NETWORK, "tiny.pt": weights()}


def in_onnx(folder):
    """Give a network that is an ONNX file, and nothing else."""
    return {"serializedFile": "residual.onnx"}, {"residual.onnx": written(folder).read_bytes()}


def archive(path, name, handler, yaml=IN_BATCHES):
    file = handler.partition(":")[0]
    says, network = (in_onnx if file.startswith("onnx") else in_torch)(path.parents[1] / "onnx")
    model = {"modelName": name, "handler": handler, "modelVersion": "1.0", **says}
    manifest = {"model": {**model, "configFile": "model-config.yaml"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {
        "MAR-INF/MANIFEST.json": json.dumps(manifest).encode(),
        **network,
        file: HANDLERS / file,
        "class_base.py": HANDLERS / "class_handler.py",
        "model-config.yaml": yaml,
    }
    with path.open("wb") as target:
        write_archive(files, target)
    return path


def picture(seed, side=None):
    rng = np.random.default_rng(seed)
    shape = (side or int(rng.integers(12, 40)), side or int(rng.integers(12, 40)), 3)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(out, ("PNG", "JPEG")[seed % 2])
    return out.getvalue()


def observed(spool, model):
    files = [path for path in (spool / model).glob("*") if path.suffix in {".open", ".seg"}]
    return [one.sample for path in files for one in read_segment(path)]


def samples(spool, model):
    return [one.sample for one in observed(spool, model)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("wrapped")


def put(folder, name, handler, yaml, settings):
    """Put an archive into the store bare, and once more wrapped under another name."""
    store = folder / "store"
    archive(store / f"{name}.mar", name, handler, yaml)
    renamed = archive(folder / "renamed" / f"{name}.mar", f"{name}-wrapped", handler, yaml)
    wrap(renamed, store / f"{name}-wrapped.mar", settings)


@pytest.fixture(scope="module")
def server(folder):
    """Serve every style bare and wrapped."""
    for style, handler in STYLES.items():
        put(folder, style, handler, IN_BATCHES, {"foveal": {"keep": {"metadata": ["case"]}}})
    for route, (handler, yaml) in ROUTES.items():
        put(folder, route, handler, yaml, SIZED)
    paths = os.pathsep.join(filter(None, (str(PARTS / "site"), os.environ.get("PYTHONPATH"))))
    how = {"ports": Ports(grpc_inference=free_port()), "environ": {"PYTHONPATH": paths}}
    with TorchServe(folder / "store", spool=folder / "spool", logs=folder / "logs", **how) as server:
        server.grpc_port = how["ports"].grpc_inference
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
            time.sleep(0.2)


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


def test_a_hundred_and_twenty_bodies_are_the_same(server, folder):
    holds(server, folder, 120)


@pytest.mark.full
def test_three_thousand_bodies_are_the_same(server, folder):
    holds(server, folder, 3000)


def text(image):
    return base64.b64encode(image).decode()


def instances(*images):
    return json.dumps({"instances": [{"data": text(image)} for image in images]}).encode()


def inputs(image):
    one = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text(image)]}
    return json.dumps({"id": "mine", "inputs": [one]}).encode()


#: How each route is asked for one image: which model, by which path, with which body and headers; how often.
ASKED = {
    "async": ("async", "/predictions/{}", bytes, {}, 6),
    "streaming": ("streaming", "/predictions/{}", bytes, {}, 6),
    "onnx": ("onnx", "/predictions/{}", bytes, {}, 6),
    "json": ("enveloped", "/predictions/{}", instances, JSON | {"X-Envelope": "json"}, 3),
    "kserve v1": ("enveloped", "/v1/models/{}:predict", instances, JSON | {"X-Envelope": "kserve"}, 1),
    "kserve v2": ("enveloped", "/v2/models/{}/infer", inputs, JSON | {"X-Envelope": "kservev2"}, 1),
}


def noted(folder, model, images):
    """Give the keys of the records that were made of some images."""
    seen = {one.sample_sha256: one.sample for one in observed(folder / "spool", model)}
    return [seen[hashlib.sha256(image).hexdigest()] for image in images]


@pytest.mark.parametrize("route", ASKED)
def test_other_routes_are_answered_alike_and_written_down(server, folder, route):
    model, path, body, headers, count = ASKED[route]
    images = [picture(list(ASKED).index(route) * 10 + number, 16) for number in range(count)]

    def ask(name):  # one after the other: in another batch the last digit of an answer may differ
        return [server.request(path.format(name), body(one), headers) for one in images]

    bare, wrapped = ask(model), ask(f"{model}-wrapped")
    assert {one.status for one in bare} == {200}
    assert differing([(model, *pair) for pair in zip(bare, wrapped, strict=True)]) == []
    keys = noted(folder, f"{model}-wrapped", images)
    assert keys == [one.headers["x-request-id"] for one in wrapped]
    if route != "streaming":  # its headers have left before there is a record
        assert keys == [one.headers["x-foveal-record"] for one in wrapped]
    assert set(loss_counters(folder / "spool" / f"{model}-wrapped")) <= {"explaining"}


def test_a_session_is_watched_by_the_tensors_of_its_file(server, folder):
    warm(server, ["onnx-wrapped"])
    image = picture(90, 16)
    answer = server.request("/predictions/onnx-wrapped", image)
    (own,) = [
        one
        for one in observed(folder / "spool", "onnx-wrapped")
        if one.sample_sha256 == hashlib.sha256(image).hexdigest()
    ]
    assert own.sample == answer.headers["x-foveal-record"]
    assert set(own.activations) == {"nodes_nodes_2_Gemm"}
    assert np.allclose(own.scores, json.loads(answer.body), atol=1e-6)


def in_one_batch(server, model, requests):
    """Have requests answered in one batch, in this order."""
    with ThreadPoolExecutor(len(requests)) as pool:
        running = []
        for path, data in requests:
            running.append(pool.submit(server.request, f"/{path}/{model}", data, JSON))
            time.sleep(0.04)
        return [one.result() for one in running]


def both_in_one_batch(server, requests):
    bare, wrapped = (in_one_batch(server, model, requests) for model in ("enveloped", "enveloped-wrapped"))
    assert differing([("enveloped", *pair) for pair in zip(bare, wrapped, strict=True)]) == []
    assert {one.status for one in bare} == {200}
    return wrapped


def test_several_rows_of_several_requests_in_one_batch(server, folder):
    images = [picture(seed, 16) for seed in range(120, 126)]
    cut = [images[:2], images[2:3], images[3:]]
    answers = both_in_one_batch(server, [("predictions", instances(*own)) for own in cut])
    assert [len(json.loads(one.body)["predictions"]) for one in answers] == [2, 1, 3]
    keys = [one.headers["x-foveal-record"] for one in answers]
    assert len(set(keys)) == 3
    seen = {
        one.sample_sha256: (one.sample, one.row) for one in observed(folder / "spool", "enveloped-wrapped")
    }
    for key, own in zip(keys, cut, strict=True):
        assert [seen[hashlib.sha256(one).hexdigest()] for one in own] == [(key, n) for n in range(len(own))]


def test_explanations_mixed_with_predictions(server, folder):
    before = samples(folder / "spool", "enveloped-wrapped")
    one = instances(picture(130, 16))
    # TorchServe's own handlers go by the first: the first batch is predicted, the second explained.
    first = both_in_one_batch(server, [("predictions", one), ("explanations", one), ("predictions", one)])
    second = both_in_one_batch(server, [("explanations", one), ("predictions", one), ("predictions", one)])
    keys = [first[place].headers["x-request-id"] for place in (0, 2)]
    assert [answer.headers.get("x-foveal-record") for answer in first] == [keys[0], None, keys[1]]
    assert not any("x-foveal-record" in answer.headers for answer in second)
    assert samples(folder / "spool", "enveloped-wrapped") == [*before, *keys]
    assert loss_counters(folder / "spool" / "enveloped-wrapped") == {"explaining": 2}


def test_predictions_over_grpc_are_found_by_what_was_sent_along(server, folder):
    warm(server, ["class-wrapped"])
    images = {f"case {seed}": picture(seed, 16) for seed in range(140, 144)}
    with GrpcClient(server.grpc_port) as client:
        for case, image in images.items():
            bare, wrapped = (client.predict(name, data=image, case=case.encode()) for name in CLASS)
            assert bare == wrapped
        told = {name.lower() for name, _ in client.metadata}
        parts = [client.stream(name, body=image) for name in ("streaming", "streaming-wrapped")]
    assert not {"x-foveal-record", "x-request-id"} & told
    assert parts[0] == parts[1]
    assert len(parts[0]) == 4
    found = {one.metadata.get("case"): one for one in observed(folder / "spool", "class-wrapped")}
    for case, image in images.items():
        assert found[case].sample_sha256 == hashlib.sha256(image).hexdigest()
    assert len(noted(folder, "streaming-wrapped", [image])) == 1


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
