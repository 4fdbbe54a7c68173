"""Forward hooks for a single look at a model: they fire for their own thread alone and go when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from torch import nn

#: Module, positional arguments, output; what it gives back, unless None, replaces the output.
Hook: TypeAlias = Callable[[nn.Module, tuple[Any, ...], Any], Any]

_LOOK: ContextVar[object | None] = ContextVar("foveal_look", default=None)


@contextmanager
def hooked(hooks: Iterable[tuple[nn.Module, Hook]]) -> Iterator[None]:
    """Hang hooks on modules; forwards of other threads through the same model pass them by."""
    look = object()
    handles = [module.register_forward_hook(_only_in(look, hook)) for module, hook in hooks]
    token = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(token)
        for handle in handles:
            handle.remove()


def _only_in(look: object, hook: Hook) -> Hook:
    def guarded(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        return hook(module, args, output) if _LOOK.get() is look else None

    return guarded
