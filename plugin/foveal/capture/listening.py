"""Hearing the forwards that somebody else makes: a handler calls its model as ever, and the tap looks on.

The model's ``forward`` is replaced on the instance for the while. Where the tap can look on, the same
forward gives both the prediction and what it was made of; whatever goes wrong, the model's own forward
answers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from foveal.capture.forward import Forward
from foveal.capture.inputs import Inputs
from foveal.capture.scripted import ScriptedTap
from foveal.capture.tap import Tap, is_tapping

#: Whether a forward is being looked at: what it takes to do so are no forwards of the handler's.
_HEARING: ContextVar[bool] = ContextVar("foveal_hearing", default=False)


@contextmanager
def listening(
    tap: Tap | ScriptedTap,
    heard: Callable[[Forward], None],
    failed: Callable[[Exception], None],
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Look on at every forward of a tapped model, whoever makes it and in whatever gradient mode.

    The caller gets the output of the model's own forward, bit for bit, without a graph. Forwards that are
    differentiated (gradients on, an input that wants them) and those of a model in training mode are left
    alone, and so are the tap's own.

    Parameters
    ----------
    tap
        A calibrated tap.
    heard
        Called after each forward, in the thread that made it.
    failed
        Called where looking on, or `heard`, raised; the model's own forward has answered then.
    wanted
        Asked before each forward whether to look on.
    """
    with _standing_in(tap.model, _Listener(tap, tap.model.forward, heard, failed, wanted)):
        yield


@contextmanager
def calls_seen(model: nn.Module, seen: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> Iterator[None]:
    """Show what a model is called with, before each call; TorchScript, which takes no hooks, included.

    Parameters
    ----------
    model
        Any network.
    seen
        Called with the positional and the named arguments; it must not raise.
    """
    plain = model.forward

    def forward(*args: Any, **kwargs: Any) -> object:  # noqa: ANN401
        seen(args, kwargs)
        return plain(*args, **kwargs)

    with _standing_in(model, forward):
        yield


@contextmanager
def _standing_in(model: nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Put something in the place of a model's ``forward``, on the instance."""
    attributes = vars(model)
    before = {name: attributes[name] for name in ("forward",) if name in attributes}
    attributes["forward"] = forward
    try:
        yield
    finally:
        del attributes["forward"]
        attributes.update(before)


class _Listener:
    """Stands in for the ``forward`` of a model."""

    def __init__(
        self,
        tap: Tap | ScriptedTap,
        forward: Callable[..., object],
        heard: Callable[[Forward], None],
        failed: Callable[[Exception], None],
        wanted: Callable[[], bool],
    ) -> None:
        self._tap, self._forward = tap, forward
        self._heard, self._failed, self._wanted = heard, failed, wanted

    def __call__(self, *args: object, **kwargs: object) -> object:
        if self._left_alone(args, kwargs):
            return self._forward(*args, **kwargs)
        mark = _HEARING.set(True)
        try:
            return self._overheard(args, kwargs)
        finally:
            _HEARING.reset(mark)

    def _left_alone(self, args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
        ours = _HEARING.get() or is_tapping()
        training = getattr(self._tap.model, "training", False)  # frozen TorchScript does not say
        return ours or training or _is_differentiated(args, kwargs) or not self._wanted()

    def _overheard(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        try:
            prediction, forward = self._tap.overhear(Inputs.of_call(args, kwargs), self._forward)
        except Exception as fault:  # noqa: BLE001 - looking on never costs anybody the answer
            answer = self._forward(*args, **kwargs)  # where this fails too, it is not our doing
            self._failed(fault)
            return answer
        self._tell(forward)
        return prediction

    def _tell(self, forward: Forward) -> None:
        try:
            self._heard(forward)
        except Exception as fault:  # noqa: BLE001 - as above
            self._failed(fault)


def _is_differentiated(args: tuple[object, ...], kwargs: dict[str, object]) -> bool:
    """Tell whether somebody is about to differentiate by an input."""
    if not torch.is_grad_enabled():
        return False
    return any(isinstance(value, Tensor) and value.requires_grad for value in (*args, *kwargs.values()))
