"""The studies of the demo: one row each. Whatever differs between them is in the row's module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from foveal.errors import UsageError, nearest

if TYPE_CHECKING:
    from foveal_audit.demo.study import DemoStudy

__all__ = ["DEFAULT", "KINDS", "get_study"]

#: What a demo is about unless told otherwise.
DEFAULT = "picture"

#: The module and the name in it of each row, imported when it is asked for.
_ROWS = {
    "picture": ("foveal_audit.demo.pictures", "PICTURE"),
    "ecg": ("foveal_audit.demo.traces", "ECG"),
    "sound": ("foveal_audit.demo.traces", "SOUND"),
    "volume": ("foveal_audit.demo.volumes", "VOLUME"),
    "segmentation": ("foveal_audit.demo.spots", "SEGMENTATION"),
}


class _Kinds(Mapping[str, "DemoStudy[Any]"]):
    """The rows by name."""

    def __getitem__(self, name: str) -> DemoStudy[Any]:
        module, row = _ROWS[name]
        study: DemoStudy[Any] = getattr(import_module(module), row)
        return study

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


KINDS: Mapping[str, DemoStudy[Any]] = _Kinds()


def get_study(kind: str) -> DemoStudy[Any]:
    """Give a row by its name.

    Raises
    ------
    UsageError
        For an unknown one; the nearest is named.
    """
    if kind not in _ROWS:
        raise UsageError(f"There is no demo of kind {kind!r}", nearest(kind, KINDS))
    return KINDS[kind]
