"""Reading a TorchServe's config.properties, and asking it simple questions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import javaproperties

from foveal.errors import UsageError

#: Where each address that TorchServe listens on is set, with what it is without the setting.
ADDRESSES = {
    "inference_address": "http://127.0.0.1:8080",
    "management_address": "http://127.0.0.1:8081",
    "metrics_address": "http://127.0.0.1:8082",
    "grpc_inference_address": "127.0.0.1",
    "grpc_management_address": "127.0.0.1",
}
GRPC_PORTS = {"grpc_inference_port": 7070, "grpc_management_port": 7071}

#: Settings that name files; TorchServe looks for them from the folder in which it is started.
FILES = (
    "metrics_config",
    "private_key_file",
    "certificate_file",
    "keystore",
    "plugins_path",
    "workflow_store",
)


def read_properties(path: Path) -> dict[str, str]:
    """Read a config.properties as Java reads it.

    Raises
    ------
    UsageError
        When the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            found = javaproperties.load(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"The configuration {path} cannot be read ({reason})", "Give a TorchServe's config.properties"
        ) from error
    return {key: value.strip() for key, value in found.items()}


def is_on(settings: Mapping[str, str], key: str, default: bool = False) -> bool:
    """Tell whether a setting is switched on."""
    return settings.get(key, str(default)).strip().lower() == "true"


def host_and_port(address: str) -> tuple[str, int | None]:
    """Take an address apart: a URL, or a host alone."""
    with suppress(ValueError):  # no port has that number, or the brackets of an IPv6 address do not match
        parts = urlsplit(address if "://" in address else f"//{address}")
        return parts.hostname or "", parts.port
    return "", None


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches an address."""
    if address.startswith("unix:"):
        return True
    host, _ = host_and_port(address)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def only_loopback(settings: Mapping[str, str]) -> bool:
    """Tell whether only this machine reaches any of a TorchServe's addresses."""
    return all(is_loopback(settings.get(key, default)) for key, default in ADDRESSES.items())
