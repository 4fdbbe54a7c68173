"""Settings of TorchServe that let others do harm, or cost what nobody expects: one table for all commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from foveal.errors import UsageError, nearest
from foveal.servers.configuration import ADDRESSES, host_and_port, is_loopback, is_on
from foveal.servers.ports import LOOPBACK

Settings: TypeAlias = Mapping[str, str]

#: A pattern that lets one of these through lets everything through.
_ANYWHERE = ("http://a.example/x.mar", "https://203.0.113.7:8443/models/y.mar")


@dataclass(frozen=True)
class Culprit:
    """One unsafe line of a configuration.

    Attributes
    ----------
    key, value
        The line as it is; the value is None where the line is missing and should be there.
    instead
        The value that mends it.
    """

    key: str
    value: str | None
    instead: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}" if self.value is not None else f"{self.key} is not set"

    @property
    def line(self) -> str:
        """The line to write instead."""
        return f"{self.key}={self.instead}"


@dataclass(frozen=True)
class Danger:
    """A kind of unsafe setting.

    Attributes
    ----------
    name
        What allows it: ``--allow-unsafe NAME``.
    why
        What may happen.
    find
        Finds the culprits in settings.
    """

    name: str
    why: str
    find: Callable[[Settings], Iterable[Culprit]]


def _reachable(*keys: str) -> Callable[[Settings], Iterable[Culprit]]:
    """Find addresses that other machines reach."""

    def find(settings: Settings) -> Iterable[Culprit]:
        for key in keys:
            value = settings.get(key, ADDRESSES[key])
            if not is_loopback(value):
                yield Culprit(key, value, _on_loopback(key, value))

    return find


def _on_loopback(key: str, value: str) -> str:
    """Give the same address on this machine."""
    if "://" not in ADDRESSES[key]:
        return LOOPBACK
    port = host_and_port(value)[1] or host_and_port(ADDRESSES[key])[1]
    return f"http://{LOOPBACK}:{port}"


def _switched(key: str, to: bool) -> Callable[[Settings], Iterable[Culprit]]:
    """Find a switch in the wrong position."""

    def find(settings: Settings) -> Iterable[Culprit]:
        if key in settings and is_on(settings, key) == to:
            yield Culprit(key, settings[key], str(not to).lower())

    return find


def _open_urls(settings: Settings) -> Iterable[Culprit]:
    """Find patterns that let models come from anywhere; without any they may, where models may be changed."""
    safe = "file:///PATH/TO/model_store/.*"
    value = settings.get("allowed_urls")
    if value is None:
        if is_on(settings, "enable_model_api"):
            yield Culprit("allowed_urls", None, safe)
    elif any(_lets_anything_in(pattern) for pattern in value.split(",")):
        yield Culprit("allowed_urls", value, safe)


def _lets_anything_in(pattern: str) -> bool:
    """Tell whether a pattern matches addresses that nobody named; one that cannot be read might."""
    try:
        return any(re.fullmatch(pattern.strip(), address) for address in _ANYWHERE)
    except re.error:
        return True


DANGERS: tuple[Danger, ...] = (
    Danger(
        "management-address",
        "whoever reaches the management address can run code here",
        _reachable("management_address", "grpc_management_address"),
    ),
    Danger(
        "metrics-address",
        "whoever reaches the metrics address reads names, loads and paths without a token",
        _reachable("metrics_address"),
    ),
    Danger(
        "no-tokens",
        "every program that reaches an address may use it",
        _switched("disable_token_authorization", True),
    ),
    Danger(
        "model-api",
        "models, and with them code, can be added over the network",
        _switched("enable_model_api", True),
    ),
    Danger("open-urls", "models, and with them code, may come from any server", _open_urls),
    Danger(
        "auto-metrics",
        "whatever a handler prints in a metric's form becomes one: it slows requests and has no bound",
        _switched("model_metrics_auto_detect", True),
    ),
    Danger(
        "model-dependencies",
        "an archive's requirements are fetched and installed, and installing runs code",
        _switched("install_py_dep_per_model", True),
    ),
    Danger(
        "unlimited-images",
        "a small file may unfold to an image that takes all memory",
        _switched("limit_max_image_pixels", False),
    ),
    Danger(
        "environment-settings",
        "variables TS_... go before the file, so that the file does not tell what holds",
        _switched("enable_envvars_config", True),
    ),
)


def require_known(names: Iterable[str]) -> None:
    """Insist that these are names of dangers.

    Raises
    ------
    UsageError
        When one is not.
    """
    known = [danger.name for danger in DANGERS]
    for name in names:
        if name not in known:
            raise UsageError(f"There is no unsafe setting {name!r} to allow", nearest(name, known))


def refuse(settings: Settings, allowed: Iterable[str] = (), origin: str = "config.properties") -> None:
    """Insist on safe settings, but for what is allowed by name.

    Raises
    ------
    UsageError
        Lists every culprit with its mend; also when an allowed name is unknown.
    """
    allowed = list(allowed)
    require_known(allowed)
    found = {danger: list(danger.find(settings)) for danger in DANGERS if danger.name not in allowed}
    met = {danger: culprits for danger, culprits in found.items() if culprits}
    if met:
        raise UsageError(_refusal(met, origin), _way_out(met))


def _refusal(met: Mapping[Danger, list[Culprit]], origin: str) -> str:
    """Name every culprit and what it may do."""
    told = (f"{' and '.join(map(str, culprits))} ({danger.why})" for danger, culprits in met.items())
    return f"{origin} is unsafe: {'; '.join(told)}"


def _way_out(met: Mapping[Danger, list[Culprit]]) -> str:
    """Give the lines to write instead, and the options that allow the ones that are there."""
    lines = ", ".join(culprit.line for culprits in met.values() for culprit in culprits)
    options = " ".join(f"--allow-unsafe {danger.name}" for danger in met)
    return f"Write instead: {lines}; or, knowing what may happen, add {options}"
