"""Captum, loaded when a method runs: it takes seconds, and is there with the audit extra alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from foveal.errors import EnvironmentFault


def load_captum(module: str = "captum.attr") -> Any:  # noqa: ANN401 - captum has no types
    """Import a module of captum.

    Raises
    ------
    EnvironmentFault
        If captum is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "captum").partition(".")[0]
        raise EnvironmentFault(
            f"The method needs {missing}, which is not installed",
            "Install it with pip install 'foveal[audit]'",
        ) from error
