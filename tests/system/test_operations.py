"""What operators see of a real TorchServe and of `foveal serve`, and what is left when that is killed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from foveal.archives.mar import MANIFEST, write_archive
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


def test_torchserve_exposes_what_workers_tell_and_asks_for_tokens(store, in_a_pod, tmp_path):
    with TorchServe(store, logs=tmp_path, settings=in_a_pod) as server:
        assert ask(f"{server.inference_url}/predictions/metered", b"x").status == 400  # it wants a token
        for _ in range(3):
            assert server.request("/predictions/metered", b"x").body == b"noted"
        deadline = time.monotonic() + 20
        text = ""
        while text.count("\nfoveal_") < 5 and time.monotonic() < deadline:
            text = ask(f"{server.metrics_url}/metrics").body.decode()
            time.sleep(0.2)
        assert server.keys is not None
        assert oct(server.keys.stat().st_mode)[-3:] == "600"
    model = r'ModelName="metered",Level="Model",Hostname="[^"]*",'
    assert re.search(rf"^foveal_crops_spooled_total{{{model}}} 9\.0$", text, re.M)
    assert re.search(rf'^foveal_dropped_total{{reason="quota",{model}}} 6\.0$', text, re.M)
    assert re.search(rf"^foveal_attribution_seconds_count{{{model}}} 3\.0$", text, re.M)
    assert re.search(rf"^foveal_attribution_seconds_sum{{{model}}} 0\.06", text, re.M)


def test_an_audited_model_tells_its_metrics(pack_resnet, cifar, tmp_path):
    pack_resnet(tmp_path / "store" / "audited.mar")
    ((image, _), *_) = cifar(1)
    with TorchServe(tmp_path / "store", spool=tmp_path / "spool", logs=tmp_path) as server:
        deadline = time.monotonic() + 40
        text = ""
        while "foveal_crops_spooled_total{" not in text and time.monotonic() < deadline:
            server.predict("audited", image.read_bytes())
            text = ask(f"{server.metrics_url}/metrics").body.decode()
            time.sleep(1)
    found = dict(re.findall(r"^(foveal_\w+){[^}]*} ([\d.]+)$", text, re.M))
    assert float(found["foveal_crops_spooled_total"]) > 0
    assert 0 < float(found["foveal_attribution_seconds_count"]) <= 8


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


def _patiently(url):
    """Ask the shipper, which starts last."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return ask(url).body
        except EnvironmentFault:  # nobody listens yet
            time.sleep(0.2)
    raise TimeoutError(url)
