"""Plain HTTP to a server on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from foveal.errors import EnvironmentFault


@dataclass(frozen=True)
class Answer:
    """What a server answered: status, headers (lower-case names) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The ``message`` of a JSON body, else the beginning of the body."""
        try:
            return str(json.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace").strip()[:200]


def ask(
    url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float = 300.0
) -> Answer:
    """Send a request, POST with data and GET without, and give the answer whatever its status.

    Raises
    ------
    EnvironmentFault
        When nobody answers.
    """
    every = {"Content-Type": "application/octet-stream", **(headers or {})}
    request = urllib.request.Request(url, data, every)  # noqa: S310 - addresses of our own making
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310
            return Answer(response.status, _lower(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers.items()), error.read())
    except OSError as error:
        raise EnvironmentFault(
            f"No answer from {url} ({error})", "Check that the server still runs"
        ) from error


def answers(url: str) -> bool:
    """Tell whether a server answers an address with success."""
    try:
        return ask(url, seconds=5).status == 200
    except EnvironmentFault:
        return False


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give headers under lower-case names."""
    return {key.lower(): value for key, value in headers}
