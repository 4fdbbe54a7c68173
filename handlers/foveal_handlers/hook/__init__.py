"""Audits every handler of a TorchServe whose archives nobody may touch.

Once for a Python environment, ``python -m foveal_handlers.hook install`` leaves a line there that Python
reads whenever it starts. Where the variable ``FOVEAL_HOOK`` is ``1``, that line calls :func:`activate`:
TorchServe's loader then hands out every handler with the watch round it. Settings come from the variables
``FOVEAL_*``, and from the section ``foveal`` of a model-config.yaml. Handlers that are watched already are
left alone.

Standard library only: every Python that starts with the variable imports this.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)

_LOADER = "ts.model_loader"
_METHODS = ("_get_class_entry_point", "_get_function_entry_point")


def activate() -> None:
    """Watch the handlers that TorchServe's loader loads in this process from now on."""
    loaded = sys.modules.get(_LOADER)
    if loaded is not None:
        patch(loaded)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def patch(module: ModuleType) -> None:
    """Let the loader hand out handlers with the watch round them; once is enough."""
    loader: Any = module.TsModelLoader
    for name in _METHODS:
        method = getattr(loader, name)
        if not hasattr(method, "foveal_hook"):
            setattr(loader, name, _watching(method))


class _Finder:
    """Waits for TorchServe's loader to be imported, and patches it then."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Find the loader by whoever finds it otherwise; leave all other modules to them."""
        if name != _LOADER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            found: Any = spec.loader
            found.exec_module = _then_patch(found.exec_module)
        return spec


def _then_patch(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    """Run a module, then patch it."""

    def executed(module: ModuleType) -> None:
        execute(module)
        try:
            patch(module)
        except Exception:  # noqa: BLE001 - a loader that we do not know serves as it is
            _log.exception("Foveal observes nothing in this worker; predictions are served")

    return executed


def _watching(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method of the loader hand out watched handlers."""

    @functools.wraps(method)
    def watched(loader: object, module: ModuleType, *rest: object) -> Any:  # noqa: ANN401 - the loader's
        entry, initialize = method(loader, module, *rest)
        try:
            from foveal_handlers.wrapped import audited  # noqa: PLC0415 - torch, only where handlers are loaded

            found = audited(module, entry, initialize)
        except Exception:  # noqa: BLE001 - whatever it is, the original handler is served
            _log.exception("Foveal observes nothing in this worker; predictions are served")
            return entry, initialize
        if found != (entry, initialize):
            _log.info(
                "Foveal stands round the handler %s, by the import hook (FOVEAL_HOOK=1)", module.__name__
            )
        return found

    watched.foveal_hook = True  # type: ignore[attr-defined]
    return watched
