"""From a handler to the observer of its network: it is looked for, then learnt from its first input.

Choosing layers takes the network's input, and some time; both wait for the first request, and that request
does not wait for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from foveal.capture import Batch, Forward, calls_seen
from foveal.observer import Observer
from foveal_handlers.auditing import Containment
from foveal_handlers.wrapped.discovery import NOT_RUN, STARTING, Obstacle, find_model, obstacle
from foveal_handlers.wrapped.onnx_sessions import find_seat
from foveal_handlers.wrapped.original import Original
from foveal_handlers.wrapped.setting import Setting


class Attachment:
    """The network of a handler, and what observes it.

    Parameters
    ----------
    original
        The handler, initialized.
    setting
        How to watch it.
    containment
        Told of what fails.
    wanted, heard, failed
        As in :meth:`foveal.observer.Observer.listening`.
    ready
        Called with the observer before it hears its first forward.
    """

    def __init__(
        self,
        original: Original,
        setting: Setting,
        containment: Containment,
        *,
        wanted: Callable[[], bool],
        heard: Callable[[Forward], None],
        failed: Callable[[Exception], None],
        ready: Callable[[Observer], None],
    ) -> None:
        self._original, self._setting, self._containment = original, setting, containment
        self._wanted, self._heard, self._failed, self._ready = wanted, heard, failed, ready
        self._model: nn.Module | None = None
        self._obstacle: Obstacle | None = None
        self._undo = ExitStack()
        self._lock = threading.Lock()
        self._ended = False
        self.observer: Observer | None = None
        self.starting: threading.Thread | None = None

    @property
    def obstacle(self) -> Obstacle:
        """What has kept a forward from being heard."""
        if self._obstacle is not None:
            return self._obstacle
        return STARTING if self.observer is None else NOT_RUN

    def look(self) -> None:
        """Look for the network, and turn to it where it is not the known one."""
        if self._ended:
            return
        model, seat = find_model(self._original, self._setting.config.classifier), None
        if model is None and self._setting.onnx is not None:
            seat = find_seat(self._original, self._setting.onnx, self._setting.segmentation)
            model = None if seat is None else seat.module
        if model is not None and model is self._model:
            return
        self.close()
        self._obstacle = obstacle(model)
        if model is None or self._obstacle is not None:
            return
        self._model = model
        if seat is not None:
            self._undo.enter_context(seat.taken())
        example = self._setting.transform.blank() if self._setting.transform else None
        if example is None or not self._observe(model, example.to(_device(model))):
            self._await_input(model)

    def close(self) -> None:
        """Leave the network as it was; an observer that is still being made is not waited for."""
        with self._lock:
            self._model = self.observer = None
            self._undo.close()

    def end(self) -> None:
        """Leave the network as it was for good; returns once nothing of ours runs on it any more."""
        self._ended = True
        self.close()
        if self.starting is not None:
            self.starting.join()

    def _await_input(self, model: nn.Module) -> None:
        """Learn what the network takes from the next forward that is to be observed."""
        calls = count()  # several threads may come here at once
        watching = ExitStack()

        def first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if not self._wanted() or next(calls):
                return
            watching.close()
            with self._containment.around("observe", samples=0):
                self._start(model, _example(args, kwargs))

        watching.enter_context(calls_seen(model, first))
        self._undo.callback(watching.close)

    def _start(self, model: nn.Module, example: Batch) -> None:
        """Make the observer while requests go on."""

        def start() -> None:
            if not self._observe(model, example) and self._model is model:
                self._await_input(model)

        self.starting = threading.Thread(target=start, name="foveal-start", daemon=True)
        self.starting.start()

    def _observe(self, model: nn.Module, example: Batch) -> bool:
        """Make the observer and let it hear every forward from now on; tell whether that worked."""
        with self._containment.around("observe", samples=0):
            setting = self._setting
            observer = Observer(model, setting.transform, setting.config, setting.model_sha256, example)  # type: ignore[arg-type]  # takes any batch
            self._listen(model, observer)
        return self.observer is not None or self._model is not model

    def _listen(self, model: nn.Module, observer: Observer) -> None:
        """Let an observer hear its network, unless the handler has turned to another one meanwhile.

        Nor is anybody told of an observer that comes too late: what is begun for it would have no end.
        """
        with self._lock:
            if self._model is not model:
                observer.close()
                return
            self._undo.callback(observer.close)
            self._ready(observer)
            self._undo.enter_context(observer.listening(self._heard, self._failed, self._wanted))
            self.observer = observer


def _example(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Batch:
    """Copy what a network is called with; of a plain batch the first sample is enough."""
    with torch.inference_mode(False):
        if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            return args[0][:1].detach().clone()
        own = {name: _copied(value) for name, value in kwargs.items()}
        return own if own and not args else tuple(_copied(value) for value in args)


def _copied(value: Any) -> Any:  # noqa: ANN401 - whatever the network takes
    return value.detach().clone() if isinstance(value, Tensor) else value


def _device(model: nn.Module) -> torch.device:
    """Tell where a network's parameters are."""
    return next((one.device for one in model.parameters()), torch.device("cpu"))
