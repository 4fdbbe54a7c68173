"""Checks of what is installed."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.version import Version

from foveal.doctor.checks import Surroundings, Verdict, check, failure, ok, skipped, warning
from foveal.errors import EnvironmentFault
from foveal.servers.java import find_java

_OLDEST_PYTHON = (3, 10)
_OLDEST_JAVA = 11
_SERVE = "pip install 'foveal[serve]'"


@dataclass(frozen=True)
class Hole:
    """A known hole of a package.

    Attributes
    ----------
    mended
        The first version without it.
    name
        What it is known as.
    grave
        Whether it can be reached through Foveal.
    """

    mended: str
    name: str
    grave: bool = True


#: Known holes by package; the last one of each names the version to have.
HOLES: dict[str, tuple[Hole, ...]] = {
    "torch": (
        Hole("2.6", "code in weights files, CVE-2025-32434"),
        Hole("2.10", "code in weights files, CVE-2026-24747", grave=False),
    ),
    "Pillow": (Hole("12.3", "writes out of bounds in decoders, CVE-2026-55379, -54059, -59197"),),
    "mlflow": (
        Hole("3.8", "paths out of the artifact store, CVE-2026-2033"),
        Hole("3.9", "paths out of archives, CVE-2025-15031"),
        Hole("3.10", "CVE-2026-2614"),
        Hole("3.11", "PYSEC-2026-93"),
    ),
}


def judged(package: str, found: str, whose: str = "") -> Verdict:
    """Judge a package's version by its known holes.

    Parameters
    ----------
    package
        Its name.
    found
        Its version.
    whose
        What to call it, where it is not the installed one.
    """
    open_ones = [hole for hole in HOLES[package] if Version(found) < Version(hole.mended)]
    named = f"{whose or package} {found}"
    if not open_ones:
        return ok(f"{named} has no hole known to Foveal")
    holes = "; ".join(f"{hole.name} (mended in {hole.mended})" for hole in open_ones)
    judge = failure if any(hole.grave for hole in open_ones) else warning
    return judge(f"{named} has known holes: {holes}", f"pip install '{package}>={open_ones[-1].mended}'")


def installed(package: str) -> str | None:
    """Give the version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@check("python", "Foveal is written for Python 3.10 and newer")
def python(_: Surroundings) -> Iterable[Verdict]:
    """Look at the interpreter."""
    if sys.version_info < _OLDEST_PYTHON:
        yield failure(f"Python {platform.python_version()} is too old", "python3.11 -m venv .venv")
    else:
        yield ok(f"Python {platform.python_version()}")


@check("packages", "Holes in what decodes requests, loads models or keeps libraries are holes of the server")
def packages(_: Surroundings) -> Iterable[Verdict]:
    """Look at the installed packages that have known holes."""
    for package in HOLES:
        found = installed(package)
        yield (
            judged(package, found)
            if found
            else failure(f"{package} is not installed", f"pip install {package}")
        )


@check("torchserve", "The handlers are written for TorchServe 0.12, the last one that was made")
def torchserve(_: Surroundings) -> Iterable[Verdict]:
    """Look at TorchServe and its archiver."""
    for package in ("torchserve", "torch-model-archiver"):
        found = installed(package)
        if found is None:
            yield failure(f"{package} is not installed for {sys.executable}", _SERVE)
        elif Version(found).release[:2] != (0, 12):
            yield warning(f"{package} {found} has not been tried", f"pip install '{package}==0.12.0'")
        else:
            yield ok(f"{package} {found}")


@check("java", "TorchServe's frontend is a Java program")
def java(surroundings: Surroundings) -> Iterable[Verdict]:
    """Look for Java, and at its version."""
    if installed("torchserve") is None:
        yield skipped("Without TorchServe no Java is needed")
        return
    try:
        home = find_java(surroundings.environ)["JAVA_HOME"]
    except EnvironmentFault as fault:
        yield failure(fault.fault, "pip install 'foveal[java]'")
        return
    program = str(Path(home) / "bin" / "java") if home else "java"
    found = _java_version(program)
    if found is None:
        yield failure(f"{program} does not say its version", "pip install 'foveal[java]' && unset JAVA_HOME")
    elif found < _OLDEST_JAVA:
        yield failure(f"{program} is Java {found}, too old", "pip install 'foveal[java]' && unset JAVA_HOME")
    else:
        yield ok(f"{program} is Java {found}")


def _java_version(program: str) -> int | None:
    """Ask a Java for its version: 8 calls itself 1.8."""
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else None
