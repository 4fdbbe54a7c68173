"""Where an audit keeps what is done until its bundle is written: a folder beside the bundle."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foveal.errors import UsageError
from foveal_audit.engine.shelf import Shelf

_MARK = "foveal-work"


def work_folder(out: Path) -> Path:
    """Name the folder of the work for a bundle."""
    return out.absolute().with_name(f"{out.absolute().name}.work")


@contextmanager
def workplace(out: Path, *, resume: bool) -> Iterator[Shelf]:
    """Lend the shelf for a bundle; it goes when the block ends well, and else stays for the next time.

    Parameters
    ----------
    out
        The bundle.
    resume
        Go on from what is there; otherwise that is thrown away.

    Raises
    ------
    UsageError
        If the folder holds something else, or another audit works there.
    """
    folder = work_folder(out)
    with _claimed(folder):
        shelf = Shelf(folder)
        if resume:
            shelf.sweep()
        else:
            _clear(folder)
        try:
            yield shelf
        except BaseException:
            if not has_work(out):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def has_work(out: Path) -> bool:
    """Tell whether something is done for a bundle that is not there yet."""
    return any(work_folder(out).glob("*/[!.]*"))


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Keep the folder for one audit at a time; a lock goes with its process, however that ends."""
    mark = folder / _MARK
    if folder.exists() and not mark.is_file():
        raise UsageError(
            f"{folder} is where the work would be kept, and it holds something else",
            "Move it away, or choose another folder for the bundle",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with mark.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"Another audit is at work in {folder}",
                "Wait for it, or choose another folder for the bundle",
            ) from error
        yield


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
