"""Entry file of a wrapped archive: the original handler answers, Foveal watches where it can.

`foveal wrap` puts this file into an archive as it lies here. It needs nothing but TorchServe: where Foveal is
missing or fails to start, the original handler is served all the same.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from ts.model_loader import TsModelLoader

_log = logging.getLogger(__name__)


class FovealWrapped:
    """Stands where the original handler stood, and hands everything on to it."""

    #: Whoever wraps handlers leaves this one alone.
    foveal_audited = True

    def __init__(self) -> None:
        self._handler = _original_name()
        self._entry, self._initialize = _audited(*_load(self._handler))

    def initialize(self, context: Any) -> None:  # noqa: ANN401 - TorchServe's
        """Initialize the original handler, to which the manifest names itself as before."""
        context.manifest["model"]["handler"] = self._handler
        self._initialize(context)

    def handle(self, data: Any, context: Any) -> Any:  # noqa: ANN401 - TorchServe's
        """Answer as the original handler does; what it awaits is awaited by TorchServe as before."""
        return self._entry(data, context)


def _original_name() -> str:
    """Read which handler the archive had."""
    settings = Path(__file__).parent / "MAR-INF" / "FOVEAL.json"
    return str(json.loads(settings.read_text(encoding="utf-8"))["wrapped"]["handler"])


def _load(handler: str) -> tuple[Any, Any, Any]:
    """Load a handler by the same steps as TorchServe's own loader: module, entry point, initialize."""
    file, colon, _ = handler.partition(":")
    if colon and "/" in file:  # TorchServe puts this folder on the path of a handler that it starts itself
        sys.path.insert(0, os.path.abspath(file.rpartition("/")[0]))  # noqa: PTH100 - paths are strings there
    loader, name = TsModelLoader(), None
    try:
        module, name = loader._load_handler_file(handler)
    except ImportError:
        module = loader._load_default_handler(handler)
    if hasattr(module, name or "handle"):
        return (module, *loader._get_function_entry_point(module, name or "handle"))
    return (module, *loader._get_class_entry_point(module))


def _audited(module: Any, entry: Any, initialize: Any) -> tuple[Any, Any]:  # noqa: ANN401 - the handler's
    """Let Foveal watch, where it is installed and works."""
    try:
        from foveal_handlers.wrapped import audited  # noqa: PLC0415 - may be missing

        return audited(module, entry, initialize)
    except Exception as fault:  # noqa: BLE001 - whatever it is, the original handler is served
        _log.error("Foveal observes nothing in this worker; predictions are served (%r)", fault)
        return entry, initialize
