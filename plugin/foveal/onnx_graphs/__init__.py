"""ONNX files that explain themselves: reverse mode written in ONNX and appended to any file.

Names are loaded on first use: whoever runs an audited file needs onnxruntime alone, not ``onnx``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LAZY = {
    "AuditedSession": "running",
    "Description": "describing",
    "Request": "auditing",
    "audited": "auditing",
    "checked": "checking",
}

__all__ = ["AuditedSession", "Description", "Request", "audited", "checked"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the room exports
    """Import a public name from its module on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
