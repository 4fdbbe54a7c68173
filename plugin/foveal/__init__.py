"""Foveal: what a served model looks at, what it saw, and what is wrong with it.

Names are loaded on first use, so that the serving worker never pays for what it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {"Library": "foveal.library", "Watch": "foveal.watching", "explain": "foveal.explaining"}

__all__ = ["Library", "Watch", "__version__", "explain"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the room exports
    """Import a public name from its room on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'foveal' has no attribute {name!r}")
