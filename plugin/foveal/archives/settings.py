"""What an archive's settings say about its network; the serving worker imports this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_class_of(settings: Mapping[str, Any]) -> str | None:
    """Read which class of the model file is the network (``model: {class: NAME}``), where that is written."""
    section = settings.get("model")
    return str(section["class"]) if isinstance(section, Mapping) and "class" in section else None
