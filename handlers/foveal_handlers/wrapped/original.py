"""The handler that is watched, as TorchServe's loader gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Entry = Callable[[Any, Any], Any]
Initialize = Callable[[Any], Any]


@dataclass(frozen=True)
class Original:
    """A loaded handler.

    Attributes
    ----------
    module
        Where it is defined.
    entry
        Answers a batch: a function, a method, or an object that can be called.
    initialize
        Starts it.
    """

    module: ModuleType
    entry: Entry
    initialize: Initialize

    @property
    def instance(self) -> object | None:
        """The handler's object; None where the handler is a function."""
        found = getattr(self.initialize, "__self__", None)
        return getattr(self.entry, "__self__", None) if found is None else found

    @property
    def name(self) -> str:
        """What to call it in the log."""
        instance = self.instance
        return (
            self.module.__name__ if instance is None else f"{self.module.__name__}:{type(instance).__name__}"
        )

    def is_audited(self) -> bool:
        """Tell whether something of ours already watches it."""
        return any(
            getattr(one, "foveal_audited", False) or _is_ours(one) for one in (self.instance, self.entry)
        )

    @property
    def makes_micro_batches(self) -> bool:
        """Whether the handler cuts its batches up, and works on them in threads."""
        return hasattr(self.entry, "get_micro_batch_idx")

    def micro_batch(self) -> int | None:
        """Give the number of the micro-batch that this thread works on, where the handler makes such."""
        return self.entry.get_micro_batch_idx() if self.makes_micro_batches else None  # type: ignore[attr-defined]


def _is_ours(thing: object) -> bool:
    """Tell whether a handler is built on one of ours."""
    return any(base.__module__.partition(".")[0] == "foveal_handlers" for base in type(thing).__mro__)
