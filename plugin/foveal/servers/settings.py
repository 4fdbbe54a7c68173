"""The settings of a TorchServe: ones that only this machine can reach, and a user's own over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from foveal.errors import UsageError
from foveal.servers.configuration import ADDRESSES, FILES, GRPC_PORTS, host_and_port, only_loopback
from foveal.servers.ports import LOOPBACK, free_ports, require_free

_LARGEST_MESSAGE = 64 * 2**20


@dataclass(frozen=True)
class Ports:
    """The ports of one TorchServe; None stands for any free one.

    The first three take HTTP (predictions, management, metrics), the next two gRPC; ``worker`` numbers the
    workers' sockets.
    """

    inference: int | None = None
    management: int | None = None
    metrics: int | None = None
    grpc_inference: int | None = None
    grpc_management: int | None = None
    worker: int | None = None

    def chosen(self) -> dict[str, int]:
        """Check the given ports and fill in free ones.

        Raises
        ------
        EnvironmentFault
            When a given port is taken.
        """
        free = iter(free_ports(6))
        return {
            name: next(free) if port is None else require_free(port, _option(name))
            for name, port in vars(self).items()
        }

    def or_from(self, settings: Mapping[str, str]) -> Ports:
        """Take the ports that are not given here from a TorchServe's settings.

        Raises
        ------
        UsageError
            When a port there is no number.
        """
        found = {
            "inference": host_and_port(settings.get("inference_address", ""))[1],
            "management": host_and_port(settings.get("management_address", ""))[1],
            "metrics": host_and_port(settings.get("metrics_address", ""))[1],
            "grpc_inference": _number(settings, "grpc_inference_port"),
            "grpc_management": _number(settings, "grpc_management_port"),
            "worker": _number(settings, "initial_worker_port"),
        }
        missing = {name: port for name, port in found.items() if getattr(self, name) is None}
        return replace(self, **missing)


def _number(settings: Mapping[str, str], key: str) -> int | None:
    """Read a port's number."""
    value = settings.get(key)
    if value is not None and not value.isdecimal():
        raise UsageError(f"{key}={value} is no port", "Write a number from 1 to 65535")
    return None if value is None else int(value)


def _option(name: str) -> str:
    """Name the option that chooses a port."""
    return f"--{name.replace('_', '-')}-port"


def properties(
    models: Mapping[str, str], ports: Mapping[str, int], user: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Put the settings together: loopback only, no model API, small heap, few threads, no metrics collector.

    Parameters
    ----------
    models
        Archives by the names under which they are served.
    ports
        What :meth:`Ports.chosen` gives.
    user
        A user's own settings. They go before these, except for the models and the ports, which are chosen.

    Raises
    ------
    UsageError
        When the user's addresses are none that can be asked over plain HTTP.
    """
    user = user or {}
    return _ours(user) | _with_whole_paths(user) | _addresses(ports, user) | _models(models)


def written(settings: Mapping[str, str]) -> str:
    """Write settings as a config.properties."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items())


def _ours(user: Mapping[str, str]) -> dict[str, str]:
    """Give the settings that hold where the user has no other.

    Tokens are off where nothing but this machine reaches the addresses, and models cannot be changed there.
    """
    return {
        **({"disable_token_authorization": "true"} if only_loopback(user) else {}),
        "enable_model_api": "false",
        "allowed_urls": "file://.*",
        "install_py_dep_per_model": "false",
        "metrics_mode": "prometheus",
        "number_of_netty_threads": "2",
        "netty_client_threads": "1",
        "default_workers_per_model": "1",
        "job_queue_size": "1000",
        "max_request_size": str(_LARGEST_MESSAGE),
        "max_response_size": str(_LARGEST_MESSAGE),
        "disable_system_metrics": "true",
        "vmargs": "-Xmx512m -XX:+UseSerialGC",
    }


def _with_whole_paths(user: Mapping[str, str]) -> dict[str, str]:
    """Name files by their whole paths: TorchServe is started in a folder of its own."""
    return {key: str(Path(value).resolve()) if key in FILES else value for key, value in user.items()}


def _models(models: Mapping[str, str]) -> dict[str, str]:
    """Name the archives to load."""
    return {"load_models": ",".join(f"{name}={file}" for name, file in models.items())}


def _addresses(ports: Mapping[str, int], user: Mapping[str, str]) -> dict[str, str]:
    """Give the addresses: the user's hosts, or loopback, and the chosen ports."""
    settings = {"initial_worker_port": str(ports["worker"])}
    for key in GRPC_PORTS:
        settings[key] = str(ports[key.removesuffix("_port")])
    for key, default in ADDRESSES.items():
        host = _host(key, user.get(key, LOOPBACK))
        port = ports[key.removesuffix("_address")]
        settings[key] = f"http://{host}:{port}" if "://" in default else host
    return settings


def _host(key: str, address: str) -> str:
    """Take the host out of an address that can be asked over plain HTTP."""
    host, _ = host_and_port(address)
    if not host or address.startswith(("https:", "unix:")):
        raise UsageError(
            f"{key}={address} cannot be served here: only http://HOST:PORT",
            "Write such an address, or start TorchServe yourself and ship its spool with: foveal ship",
        )
    return f"[{host}]" if ":" in host else host


def _escaped(text: str) -> str:
    """Write a value as Java reads it: other letters than ASCII by their numbers."""
    units = text.replace("\\", "\\\\").replace("\n", "\\n").encode("utf-16-be")
    pairs = (units[index : index + 2] for index in range(0, len(units), 2))
    return "".join(chr(pair[1]) if pair < b"\0\x80" else f"\\u{pair.hex()}" for pair in pairs)
