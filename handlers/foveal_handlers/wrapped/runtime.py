"""The place between TorchServe and a foreign handler: everything passes through unchanged."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from foveal_handlers.metrics import Meter
from foveal_handlers.wrapped.original import Entry, Initialize, Original
from foveal_handlers.wrapped.scope import Scope, under_way
from foveal_handlers.wrapped.setting import Setting
from foveal_handlers.wrapped.watch import Watch

_log = logging.getLogger(__name__)


def audited(module: ModuleType, entry: Entry, initialize: Initialize) -> tuple[Entry, Initialize]:
    """Put the watch between TorchServe and a handler.

    Parameters
    ----------
    module, entry, initialize
        As TorchServe's loader knows the handler.

    Returns
    -------
    tuple
        The same two functions for TorchServe to call; unchanged where the handler is watched already.
    """
    original = Original(module, entry, initialize)
    if original.is_audited():
        return entry, initialize
    runtime = Runtime(original)
    return runtime.handle, runtime.initialize


class Runtime:
    """Hands everything on to a handler, and watches it.

    Parameters
    ----------
    original
        The handler.
    """

    #: Whoever wraps handlers leaves this one alone.
    foveal_audited = True

    def __init__(self, original: Original) -> None:
        self._original = original
        self.watch: Watch | None = None

    def initialize(self, context: Any) -> None:  # noqa: ANN401 - TorchServe's
        """Start the handler, then the watch."""
        setting = _read_setting(context)
        self._original.initialize(context)
        if setting is not None:
            self.watch = _start(self._original, setting, context)

    def handle(self, data: Any, context: Any) -> Any:  # noqa: ANN401 - TorchServe's
        """Answer as the handler does: at once, or with something to await."""
        scope = self._scope(data, context)
        if scope is None:
            return self._original.entry(data, context)
        with under_way(scope):
            answer = self._original.entry(data, context)
        if inspect.isawaitable(answer):
            return self._awaited(answer, scope)
        self._record(scope)
        return answer

    async def _awaited(self, answer: Awaitable[Any], scope: Scope) -> Any:  # noqa: ANN401 - the handler's
        """Await the handler's answer; others may be under way meanwhile."""
        with under_way(scope):
            awaited = await answer
        self._record(scope)
        return awaited

    def _scope(self, data: Any, context: Any) -> Scope | None:  # noqa: ANN401 - TorchServe's
        """Describe a batch; None where nothing is watched."""
        if self.watch is None:
            return None
        try:
            return self.watch.scope(data, context)
        except Exception as fault:  # noqa: BLE001 - auditing never fails a prediction
            self._give_up(fault)
            return None

    def _record(self, scope: Scope) -> None:
        """Write a batch down."""
        try:
            if self.watch is not None:
                self.watch.record(scope)
        except Exception as fault:  # noqa: BLE001 - auditing never fails a prediction
            self._give_up(fault)
        finally:
            scope.kept.clear()

    def _give_up(self, fault: Exception) -> None:
        """Stop watching, where even containing a fault failed."""
        _log.error("Foveal stops observing in this worker; predictions go on", exc_info=fault)
        self.watch = None


def _read_setting(context: Any) -> Setting | None:  # noqa: ANN401 - TorchServe's
    """Read how to watch, before the handler changes its folder."""
    try:
        return Setting.read(context)
    except Exception:  # noqa: BLE001 - whatever is wrong with the settings, the model is served
        _log.exception("Foveal observes nothing in this worker; predictions are served")
        return None


def _start(original: Original, setting: Setting, context: Any) -> Watch | None:  # noqa: ANN401 - TorchServe's
    """Start to watch an initialized handler, where there is a spool; of several ranks only the first."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return None
    if setting.spool is None:
        _log.warning(
            "Foveal observes nothing in this worker: no spool folder is set, or the sample rate is 0"
        )
        return None
    try:
        watch = Watch(original, setting, setting.spool, Meter(context))
    except Exception:  # noqa: BLE001 - whatever is wrong with the watch, the model is served
        _log.exception("Foveal observes nothing in this worker; predictions are served")
        return None
    _log.info("Foveal observes the predictions of %s", original.name)
    return watch
