"""Models as they are deployed: read, load and build TorchServe archives.

Names are loaded on first use: the serving worker imports single modules of this room and must stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foveal.archives.model import AuditedModel, load_model

_LAZY = {"AuditedModel": "foveal.archives.model", "load_model": "foveal.archives.model"}

__all__ = ["AuditedModel", "load_model"]


def __getattr__(name: str) -> object:
    """Import a public name of this room on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'foveal.archives' has no attribute {name!r}")
