"""Checks of a TorchServe's configuration."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from foveal.doctor.checks import Check, Surroundings, Verdict, check, failure, ok, skipped, warning
from foveal.errors import EnvironmentFault, UsageError
from foveal.monitoring.workers import as_yaml, missing
from foveal.servers.configuration import ADDRESSES, GRPC_PORTS, host_and_port, is_loopback
from foveal.servers.dangers import DANGERS, Danger
from foveal.servers.http import ask
from foveal.servers.ports import LOOPBACK

_NO_CONFIG = "No config.properties is given; foveal serve makes a safe one itself"
_HOW = "foveal doctor --config config.properties"


def _check_of(danger: Danger) -> Check:
    """Make the check that looks for one danger."""

    def look(surroundings: Surroundings) -> Iterable[Verdict]:
        if surroundings.config is None:
            yield skipped(_NO_CONFIG, _HOW)
            return
        culprits = list(danger.find(surroundings.settings))
        if not culprits:
            yield ok(f"{surroundings.config} has none of it")
        for culprit in culprits:
            if danger.name in surroundings.allowed:
                yield ok(f"{culprit} is allowed")
            else:
                yield failure(f"{culprit} in {surroundings.config}", culprit.line)

    return look


for _danger in DANGERS:
    check(_danger.name, _danger.why[0].upper() + _danger.why[1:])(_check_of(_danger))


@check("ports", "TorchServe does not start where another program listens")
def ports(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether the configured ports are free, or TorchServe's already."""
    if surroundings.config is None:
        yield skipped(_NO_CONFIG, _HOW)
        return
    wanted = _ports(surroundings)
    taken = {key: port for key, port in wanted.items() if not _is_free(port)}
    if not taken:
        yield ok(f"Free: {', '.join(map(str, sorted(set(wanted.values()))))}")
    elif _is_torchserve(wanted.get("inference_address")):
        yield ok("A TorchServe answers at the inference address already")
    else:
        for key, port in taken.items():
            other = f"http://{LOOPBACK}:{port + 10000}" if key in ADDRESSES else str(port + 10000)
            yield failure(f"Another program listens at port {port}, meant for {key}", f"{key}={other}")


def _ports(surroundings: Surroundings) -> dict[str, int]:
    """List the configured ports by their settings."""
    found = {}
    for key, default in ADDRESSES.items():
        value = surroundings.settings.get(key, default)
        port = host_and_port(value)[1]
        if "://" in default and port is not None:
            found[key] = port
    for key, number in GRPC_PORTS.items():
        value = surroundings.settings.get(key, "")
        found[key] = int(value) if value.isdecimal() else number
    return found


def _is_torchserve(port: int | None) -> bool:
    """Tell whether a TorchServe answers at a port: with its health, or by asking for a token."""
    try:
        answer = ask(f"http://{LOOPBACK}:{port}/ping", seconds=5)
    except EnvironmentFault:
        return False
    return answer.status == 200 or b"InvalidKeyException" in answer.body


def _is_free(port: int) -> bool:
    """Tell whether nobody listens at a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        return probe.connect_ex((LOOPBACK, port)) != 0


@check("tokens-in-clear", "Whoever listens on the way reads tokens and images")
def tokens_in_clear(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether other machines are answered without encryption."""
    if surroundings.config is None:
        yield skipped(_NO_CONFIG, _HOW)
        return
    address = surroundings.settings.get("inference_address", ADDRESSES["inference_address"])
    if is_loopback(address) or address.startswith("https:"):
        yield ok(f"inference_address={address}")
    else:
        yield warning(
            f"inference_address={address} answers other machines over plain HTTP",
            "inference_address=http://127.0.0.1:8080",
        )


@check("metrics-file", "TorchServe silently drops metrics that its metrics.yaml does not declare")
def metrics_file(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether our metrics are declared."""
    if surroundings.config is None:
        yield skipped(_NO_CONFIG, _HOW)
        return
    path = _metrics_file(surroundings)
    try:
        lacking = missing(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        yield failure(f"The metrics file {path} cannot be read ({error})", f"metrics_config={path}")
        return
    names = [entry["name"] for entries in lacking.values() for entry in entries]
    if names:
        yield warning(f"{path} does not declare {', '.join(names)}", as_yaml(lacking))
    else:
        yield ok(f"{path} declares all metrics")


def _metrics_file(surroundings: Surroundings) -> Path:
    """Find the metrics.yaml that TorchServe will read."""
    named = surroundings.settings.get("metrics_config")
    if named:
        return Path(named)
    spec = find_spec("ts")
    return Path(str(spec.origin if spec else "ts")).parent / "configs" / "metrics.yaml"


@check("metrics-mode", "In the mode 'log' metrics go to a log file and Prometheus finds none")
def metrics_mode(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether Prometheus finds the workers' metrics."""
    if surroundings.config is None:
        yield skipped(_NO_CONFIG, _HOW)
        return
    mode = surroundings.settings.get("metrics_mode", "log")
    if mode == "prometheus":
        yield ok("metrics_mode=prometheus")
    else:
        yield warning(f"metrics_mode is {mode!r}", "metrics_mode=prometheus")


@check("threads", "Without it every worker computes on all cores, and they slow each other down")
def threads(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether workers share the cores."""
    value = surroundings.environ.get("OMP_NUM_THREADS", "")
    if value.isdecimal() and int(value) > 0:
        yield ok(f"OMP_NUM_THREADS={value}")
    else:
        yield warning("OMP_NUM_THREADS is not set", "export OMP_NUM_THREADS=1")
