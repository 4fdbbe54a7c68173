"""How patient MLflow is while we call it: variables of its own, which all threads of a process share.

Threads that call at the same time must not take each other's settings away, nor change the environment more
often than needs be: the C library's readers of it are not safe beside writers. So the settings are counted,
and changed only when what all callers together want changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_held: list[Mapping[str, str]] = []
_ours: dict[str, str] = {}


@contextmanager
def patience(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what the user has not set, for a while.

    Of several callers' numbers (seconds, retries) the largest counts. A process that calls from many threads
    does well to hold the settings for as long as it lives.
    """
    with _lock:
        _held.append(settings)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _held.remove(settings)
            _apply()


def _apply() -> None:
    """Bring the environment to what is wanted now."""
    wanted = _wanted()
    for name in _ours.keys() - wanted.keys():
        del _ours[name]
        os.environ.pop(name, None)
    for name, value in wanted.items():
        if os.environ.get(name) != value and (name in _ours or name not in os.environ):
            os.environ[name] = _ours[name] = value


def _wanted() -> dict[str, str]:
    """Merge what all callers want."""
    wanted: dict[str, str] = {}
    for settings in _held:
        for name, value in settings.items():
            wanted[name] = max(wanted.get(name, value), value, key=_size)
    return wanted


def _size(value: str) -> float:
    return float(value) if value.isdecimal() else 0.0
