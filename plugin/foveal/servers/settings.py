"""The settings of a TorchServe that only this machine can reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def _option(name: str) -> str:
    """Name the option that chooses a port."""
    return f"--{name.replace('_', '-')}-port"


def properties(models: Mapping[str, str], ports: Mapping[str, int]) -> str:
    """Write the settings: loopback only, no model API, small heap, few threads, no metrics collector.

    Tokens are off: nothing but this machine reaches the addresses, and models cannot be changed there.
    """
    settings = {
        "inference_address": f"http://{LOOPBACK}:{ports['inference']}",
        "management_address": f"http://{LOOPBACK}:{ports['management']}",
        "metrics_address": f"http://{LOOPBACK}:{ports['metrics']}",
        "grpc_inference_address": LOOPBACK,
        "grpc_management_address": LOOPBACK,
        "grpc_inference_port": ports["grpc_inference"],
        "grpc_management_port": ports["grpc_management"],
        "initial_worker_port": ports["worker"],
        "disable_token_authorization": "true",
        "enable_model_api": "false",
        "allowed_urls": "file://.*",
        "install_py_dep_per_model": "false",
        "load_models": ",".join(f"{name}={file}" for name, file in models.items()),
        "number_of_netty_threads": 2,
        "netty_client_threads": 1,
        "default_workers_per_model": 1,
        "job_queue_size": 1000,
        "max_request_size": _LARGEST_MESSAGE,
        "max_response_size": _LARGEST_MESSAGE,
        "disable_system_metrics": "true",
        "vmargs": "-Xmx512m -XX:+UseSerialGC",
    }
    return "".join(f"{key}={_escaped(str(value))}\n" for key, value in settings.items())


def _escaped(text: str) -> str:
    """Write a value as Java reads it: other letters than ASCII by their numbers."""
    units = text.encode("utf-16-be")
    pairs = (units[index : index + 2] for index in range(0, len(units), 2))
    return "".join(chr(pair[1]) if pair < b"\0\x80" else f"\\u{pair.hex()}" for pair in pairs)
