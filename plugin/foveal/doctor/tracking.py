"""Checks of the MLflow server."""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from foveal.doctor.checks import Surroundings, Verdict, check, failure, ok, skipped, warning
from foveal.doctor.versions import judged
from foveal.errors import EnvironmentFault
from foveal.servers.http import Answer, ask

_SECONDS = 10.0
_SKEW, _GRAVE_SKEW = 5.0, 60.0
_UNSET = "No MLflow server is set; foveal serve starts one of its own"
_HOW = "export MLFLOW_TRACKING_URI=http://HOST:5000"
_VERSION = re.compile(r"\d+(\.\d+)+\S{0,20}")


@check(
    "mlflow", "Without MLflow everything waits in the spool, until its quota is full and requests are dropped"
)
def mlflow(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look whether MLflow answers, and as whom."""
    uri = surroundings.tracking_uri
    if uri is None:
        yield skipped(_UNSET, _HOW)
    elif _is_http(uri):
        yield _answering(uri, surroundings.environ)
    elif uri.startswith(("sqlite:", "file:")) or "://" not in uri:
        yield _on_disk(uri)
    else:
        yield skipped(f"{_masked(uri)} is no address that can be looked at")


@check("mlflow-version", "Older MLflow servers let clients read, write or run what they should not")
def mlflow_version(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look at the server's version."""
    answer = _asked(surroundings, "/version")
    if answer is None:
        yield _unanswered(surroundings)
        return
    text = answer.body.decode(errors="replace").strip()[:40]
    if answer.status == 200 and _VERSION.fullmatch(text):
        yield judged("mlflow", text, "The MLflow server")
    else:
        yield skipped(f"The server does not tell its version ({answer.status})", "mlflow --version  # there")


@check(
    "clock", "Entries carry the time of this machine, and dates in libraries must mean the same everywhere"
)
def clock(surroundings: Surroundings) -> Iterable[Verdict]:
    """Compare the clocks of this machine and the MLflow server."""
    before = time.time()
    answer = _asked(surroundings, "/health")
    date = answer.headers.get("date") if answer else None
    if date is None:
        yield _unanswered(surroundings)
        return
    theirs = parsedate_to_datetime(date).timestamp() + 0.5  # the header has whole seconds
    skew = (before + time.time()) / 2 - theirs
    what = f"This machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} MLflow's"
    mend = "sudo timedatectl set-ntp true"
    if abs(skew) <= _SKEW:
        yield ok("This machine and the MLflow server agree on the time")
    else:
        yield failure(what, mend) if abs(skew) > _GRAVE_SKEW else warning(what, mend)


def _answering(uri: str, environ: Mapping[str, str]) -> Verdict:
    """Judge a server by its answer."""
    named = _masked(uri)
    try:
        answer = _ask(uri, "/api/2.0/mlflow/experiments/search?max_results=1", _login(uri, environ))
    except EnvironmentFault as fault:
        return failure(f"{fault.fault.replace(uri, named)}", f"curl -sS {_plain(uri)}/health")
    if answer.status in (401, 403):
        return failure(
            f"MLflow at {named} refuses this user ({answer.status})",
            "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=...",
        )
    if answer.status != 200:
        return failure(
            f"MLflow at {named} answers {answer.status}: {answer.message}", f"curl -sS {_plain(uri)}/health"
        )
    return ok(f"MLflow answers at {named}")


def _on_disk(uri: str) -> Verdict:
    """Judge a store that is no server."""
    place = Path(urlsplit(uri).path.replace("//", "/") if ":" in uri else uri)
    at = next((folder for folder in (place, *place.parents) if folder.exists()), Path())
    if os.access(at, os.W_OK):
        return ok(f"{uri} can be written")
    return failure(f"{uri} cannot be written by this user", f"sudo chown $USER {at}")


def _unanswered(surroundings: Surroundings) -> Verdict:
    """Say why there is nothing to look at."""
    return skipped("No MLflow server answers" if surroundings.tracking_uri else _UNSET, _HOW)


def _asked(surroundings: Surroundings, path: str) -> Answer | None:
    """Ask the server, where there is one."""
    uri = surroundings.tracking_uri
    if uri is None or not _is_http(uri):
        return None
    try:
        return _ask(uri, path, _login(uri, surroundings.environ))
    except EnvironmentFault:
        return None


@lru_cache(maxsize=32)
def _ask(uri: str, path: str, login: str) -> Answer:
    """Ask once for each path."""
    headers = {"Authorization": login} if login else {}
    return ask(f"{_plain(uri)}{path}", headers=headers, seconds=_SECONDS)


def _login(uri: str, environ: Mapping[str, str]) -> str:
    """Give the header that names the user, where one is named."""
    parts = urlsplit(uri)
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    user = parts.username or environ.get("MLFLOW_TRACKING_USERNAME")
    password = parts.password or environ.get("MLFLOW_TRACKING_PASSWORD") or ""
    if user:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Bearer {token}" if token else ""


def _is_http(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _plain(uri: str) -> str:
    """Give an address without user and password."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _masked(uri: str) -> str:
    """Give an address that can be shown."""
    parts = urlsplit(uri)
    return (
        uri
        if "@" not in parts.netloc
        else uri.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}")
    )
