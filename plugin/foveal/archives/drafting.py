"""Write an archive beside its place and let it take the place only when it is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foveal.errors import EnvironmentFault, UsageError


@contextmanager
def drafted(out: Path) -> Iterator[Path]:
    """Give a path to write to; what lies there becomes `out` when the block ends well.

    Raises
    ------
    EnvironmentFault
        When the disk or its permissions are in the way.
    """
    with _naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".foveal-draft-", dir=out.parent) as scratch:
            draft = Path(scratch) / out.name
            yield draft
            os.replace(draft, out)  # noqa: PTH105 - one word for "atomically, over what is there"


@contextmanager
def _naming(out: Path) -> Iterator[None]:
    """Turn trouble with the disk into an error that names the archive."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"{out} cannot be written ({error.strerror})", "Check the disk and the folder's permissions"
        ) from error


def require_place(source: Path, out: Path) -> None:
    """Refuse to write an archive over itself, into itself, or over a folder.

    Raises
    ------
    UsageError
        Names what is in the way.
    """
    here, there = source.resolve(), out.resolve()
    if here == there or (source.exists() and out.exists() and source.samefile(out)):
        raise UsageError(f"{out} is the archive itself", "Give -o another path")
    if here in there.parents:
        raise UsageError(f"{out} lies inside {source}", "Give -o a path outside of it")
    if out.is_dir() or (source.is_dir() and out.exists()):
        raise UsageError(f"{out} exists already", "Give -o a path where nothing is yet, or remove it first")
