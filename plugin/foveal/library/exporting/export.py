"""Writing an export: all of it or nothing, beside its place first."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from foveal.errors import EnvironmentFault, UsageError, nearest
from foveal.library.exporting.choosing import choose
from foveal.library.exporting.describing import KEY
from foveal.library.exporting.folders import write_folders
from foveal.library.exporting.huggingface import write_huggingface
from foveal.library.exporting.naming import Keys
from foveal.library.exporting.webdataset import write_webdataset
from foveal.records import Source

if TYPE_CHECKING:
    from foveal.library.store import Library

#: Writes entries into a folder, a small table of one feature at a time, each entry with a ``key`` of its own
#: that names its files; the last argument is the library's name.
Writer = Callable[[Iterable[pa.Table], Path, str], None]
FORMATS: dict[str, Writer] = {
    "folders": write_folders,
    "webdataset": write_webdataset,
    "huggingface": write_huggingface,
}


@dataclass
class Exported:
    """What was written: entries by feature, and the files below the folder."""

    folder: Path
    features: dict[str, int]
    files: int = 0

    @property
    def entries(self) -> int:
        """Number of entries."""
        return sum(self.features.values())


def export(
    library: Library,
    out: Path,
    kind: str,
    *,
    features: Sequence[str] = (),
    source: Source | None = None,
    limit: int | None = None,
) -> Exported:
    """Write crops and what is known of them into a folder.

    Parameters
    ----------
    library
        The library.
    out
        A folder that is empty or not there yet.
    kind
        A key of :data:`FORMATS`.
    features, source, limit
        See :func:`foveal.library.exporting.choosing.choose`.

    Returns
    -------
    Exported
        The same library and choice give the same bytes.

    Raises
    ------
    UsageError
        If there is no such format, nothing is chosen, or the folder holds something.
    EnvironmentFault
        If the disk refuses.
    """
    if kind not in FORMATS:
        raise UsageError(f"{kind!r} is no format of an export", nearest(kind, FORMATS))
    exported = Exported(out, {})
    with _published(out) as folder:
        chosen = choose(library, features, source, limit, scratch=folder)
        FORMATS[kind](_keyed(_counted(chosen, exported), library), folder, library.name)
        exported.files = sum(path.is_file() for path in folder.rglob("*"))
    return exported


def _counted(tables: Iterable[pa.Table], exported: Exported) -> Iterator[pa.Table]:
    for table in tables:
        feature = table["feature"][0].as_py()
        exported.features[feature] = exported.features.get(feature, 0) + len(table)
        yield table


def _keyed(tables: Iterable[pa.Table], library: Library) -> Iterator[pa.Table]:
    keys = Keys(library.query().repeated())
    for table in tables:
        names = [keys.give(key) for key in table["id"].to_pylist()]
        yield table.append_column(KEY, pa.array(names, pa.string()))


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """Lend a folder beside the place that becomes it at the end, or vanishes if anything fails."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"'{out}' is not an empty folder", "Give one that is empty or not there yet")
    out = out.absolute()
    folder = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        folder.mkdir(parents=True)
        yield folder
        folder.replace(out)
    except OSError as error:
        raise EnvironmentFault(
            f"Cannot write '{out}': {error}", "Free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
