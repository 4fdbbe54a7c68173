"""What operators see of a real TorchServe and of `foveal serve`, and what is left when that is killed."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from PIL import Image

from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.pack import pack
from foveal.errors import EnvironmentFault
from foveal.servers import TorchServe
from foveal.servers.configuration import read_properties
from foveal.servers.http import ask

pytestmark = pytest.mark.slow

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def store(tmp_path_factory, models):
    """A store with one small archive."""
    folder = tmp_path_factory.mktemp("store")
    manifest = json.dumps({"model": {"modelName": "metered", "modelVersion": "1", "handler": "metered.py"}})
    with (folder / "metered.mar").open("wb") as out:
        write_archive(
            {MANIFEST: manifest.encode(), "metered.py": (models / "metered_handler.py").read_bytes()}, out
        )
    return folder


@pytest.fixture(scope="module")
def audited(store, models, tmp_path_factory):
    """The same store, and an audited network that has learnt nothing."""
    folder = tmp_path_factory.mktemp("audited")
    shutil.copy(store / "metered.mar", folder)
    source, scope = models / "digit_net.py", {}
    exec(source.read_text(), scope)
    weights = folder / "weights.pt"
    torch.save(scope["DigitNet"]().state_dict(), weights)
    how = {"size": (28, 28), "channels": 1, "mean": (0.5,), "std": (0.25,), "labels": tuple("0123456789")}
    pack("vision", source, weights, folder / "audited.mar", **how)
    weights.unlink()
    return folder


@pytest.fixture(scope="module")
def in_a_pod(tmp_path_factory):
    """The settings that the Kubernetes example gives to TorchServe, on free ports."""
    folder = tmp_path_factory.mktemp("pod")
    example = (DEPLOY / "kubernetes" / "torchserve-with-shipper.yaml").read_text()
    files = next(part["data"] for part in yaml.safe_load_all(example) if part["kind"] == "ConfigMap")
    for name, text in files.items():
        (folder / name).write_text(text)
    settings = read_properties(folder / "config.properties")
    settings |= {"metrics_config": str(folder / "metrics.yaml"), "number_of_netty_threads": "2"}
    return {key: re.sub(r":\d+$", "", value) for key, value in settings.items()}


@pytest.fixture(scope="module")
def server(audited, in_a_pod, tmp_path_factory):
    """TorchServe as in a pod."""
    folder = tmp_path_factory.mktemp("serving")
    with TorchServe(audited, spool=folder / "spool", logs=folder / "logs", settings=in_a_pod) as server:
        server.predict("audited", picture())  # told ten seconds later, when other tests have been run
        yield server


def picture():
    out = io.BytesIO()
    Image.radial_gradient("L").save(out, "PNG")
    return out.getvalue()


def metrics_until(server, enough):
    """Read the metrics until they tell enough."""
    deadline = time.monotonic() + 40
    while not enough(text := ask(f"{server.metrics_url}/metrics").body.decode()):
        assert time.monotonic() < deadline, text
        time.sleep(0.2)
    return text


def test_torchserve_exposes_what_workers_tell_and_asks_for_tokens(server):
    assert ask(f"{server.inference_url}/predictions/metered", b"x").status == 400  # it wants a token
    for _ in range(3):
        assert server.request("/predictions/metered", b"x").body == b"noted"
    model = r'ModelName="metered",Level="Model",Hostname="[^"]*",'
    told = (
        rf"^foveal_crops_spooled_total{{{model}}} 9\.0$",
        rf'^foveal_dropped_total{{reason="quota",{model}}} 6\.0$',
        rf"^foveal_attribution_seconds_count{{{model}}} 3\.0$",
        rf"^foveal_attribution_seconds_sum{{{model}}} 0\.06",
    )
    metrics_until(server, lambda text: all(re.search(one, text, re.M) for one in told))
    assert server.keys is not None
    assert oct(server.keys.stat().st_mode)[-3:] == "600"


@pytest.fixture
def serving(store, tmp_path):
    """`foveal serve` as a process, with the addresses that it printed."""
    config = tmp_path / "config.properties"
    config.write_text("job_queue_size=9\n")
    command = [Path(sys.executable).with_name("foveal"), "serve", store, "--dir", tmp_path / "d", "--json"]
    scratch = tmp_path / "s"
    scratch.mkdir()
    environ = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    process = subprocess.Popen(
        [*command, "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environ | {"TMPDIR": str(scratch)},
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_serve_can_be_scraped_and_leaves_nothing_when_it_is_killed(serving, tmp_path):
    process, addresses = serving
    assert ask(addresses["predictions"]["metered"], b"x").body == b"noted"
    assert "foveal_crops_spooled_total" in ask(addresses["metrics"]).body.decode()
    assert b"foveal_shipped_samples_total 0.0" in _patiently(addresses["shipper"])
    started = psutil.Process(process.pid).children(recursive=True)
    names = " ".join(word for each in started for word in each.cmdline())
    assert all(word in names for word in ("org.pytorch.serve", "model_service_worker", "mlflow", "--follow"))
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=40)
    left = [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert [each.cmdline() for each in left] == []
    assert list((tmp_path / "s").iterdir()) == []


def test_an_audited_model_tells_its_metrics(server):
    own = re.compile(r'^(foveal_\w+){ModelName="audited",[^}]*} ([\d.]+)$', re.M)

    def told(text):
        server.predict("audited", picture())  # what was noted is told with a later request
        return "foveal_crops_spooled_total" in dict(own.findall(text))

    found = dict(own.findall(metrics_until(server, told)))
    assert float(found["foveal_crops_spooled_total"]) > 0
    assert float(found["foveal_attribution_seconds_count"]) > 0


def _patiently(url):
    """Ask the shipper, which starts last."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return ask(url).body
        except EnvironmentFault:  # nobody listens yet
            time.sleep(0.2)
    raise TimeoutError(url)
