"""What systemd and Kubernetes are told to start exists, and takes these options."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from foveal.cli import build_app
from foveal.monitoring.workers import missing
from foveal.servers.configuration import read_properties
from foveal.servers.dangers import DANGERS

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "systemd" / "foveal-ship.service"
PODS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "torchserve-with-shipper.yaml").read_text()))
FILES, DEPLOYMENT = PODS
POD = DEPLOYMENT["spec"]["template"]["spec"]
CONTAINERS = {each["name"]: each for each in POD["containers"]}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def understood(words):
    """Insist that our command line takes a command with these options and values; nothing is run."""
    app = typer.main.get_command(build_app())
    command = app.commands[words[0]]
    with command.make_context(words[0], list(words[1:]), resilient_parsing=False) as context:
        return context.params


def unit_lines(key):
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.M)


def test_the_unit_starts_the_shipper():
    (start,) = unit_lines("ExecStart")
    program, *words = shlex.split(start)
    assert Path(program).name == "foveal"
    assert understood(words) | {"spool": Path("${FOVEAL_SPOOL}")} == {
        "spool": Path("${FOVEAL_SPOOL}"),
        "library": None,
        "follow": True,
        "metrics_port": 9464,
        "metrics_host": "127.0.0.1",
        "retain_days": None,
        "as_json": False,
    }
    assert any(line.startswith("FOVEAL_SPOOL=") for line in unit_lines("Environment"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    text = UNIT.read_text().replace("/opt/foveal/bin/foveal", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_pod_starts_the_shipper_beside_torchserve():
    shipper = CONTAINERS["shipper"]
    program, *words = [*shipper["command"], *shipper["args"]]
    assert program == "foveal"
    options = understood(words)
    assert (options["follow"], options["metrics_port"], options["metrics_host"]) == (True, 9464, "0.0.0.0")
    assert shipper["ports"] == [{"name": "ship-metrics", "containerPort": 9464}]


def test_both_share_the_spool_and_the_user():
    environ = {each["name"]: each["value"] for each in CONTAINERS["torchserve"]["env"]}
    spools = {
        name: [mount["mountPath"] for mount in each["volumeMounts"] if mount["name"] == "spool"]
        for name, each in CONTAINERS.items()
    }
    assert spools == {"torchserve": [environ["FOVEAL_SPOOL_DIR"]], "shipper": ["/spool"]}
    assert CONTAINERS["shipper"]["command"][2] == "/spool"
    assert not any("securityContext" in each for each in CONTAINERS.values())
    assert POD["securityContext"]["runAsNonRoot"]


def test_every_mount_has_its_volume():
    volumes = {each["name"] for each in POD["volumes"]}
    assert {mount["name"] for each in CONTAINERS.values() for mount in each["volumeMounts"]} == volumes
    assert POD["volumes"][-1]["configMap"]["name"] == FILES["metadata"]["name"]


def test_the_pods_settings_are_safe_but_for_the_metrics_that_prometheus_reads(tmp_path):
    path = tmp_path / "config.properties"
    path.write_text(FILES["data"]["config.properties"])
    settings = read_properties(path)
    found = [danger.name for danger in DANGERS if list(danger.find(settings))]
    assert found == ["metrics-address"]
    assert missing(FILES["data"]["metrics.yaml"]) == {}
    assert settings["metrics_config"] == "/etc/foveal/metrics.yaml"


COMMANDS = re.findall(r"^\s*foveal (\w.*)$", DOCUMENT, re.M)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_in_the_document_exist(line, tmp_path):
    for word in ("SPOOL", "DIR"):
        line = line.replace(word, str(tmp_path))
    understood(shlex.split(line, comments=True))


def test_the_document_names_what_there_is():
    for path in re.findall(r"`(deploy/[\w./-]+)`", DOCUMENT):
        assert (Path(__file__).parents[2] / path).exists(), path
    assert {danger.name for danger in DANGERS} <= set(re.findall(r"`([a-z-]+)`", DOCUMENT))


def test_the_document_lists_every_metric():
    from foveal.monitoring.names import METRICS  # noqa: PLC0415

    rows = re.findall(r"^\| `(foveal_\w+)(?:\{[^`]*\})?` \| (\w+) \| [^|]* \| ([^|]*) \|$", DOCUMENT, re.M)
    assert {name: (kind, f"{meaning}.") for name, kind, meaning in rows} == {
        metric.name: (metric.kind, metric.help[0].lower() + metric.help[1:]) for metric in METRICS
    }
