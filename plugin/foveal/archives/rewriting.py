"""Change some files of an archive, in each of its forms, and make the original from what came out."""

from __future__ import annotations

import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from foveal.archives.containers import safe_name
from foveal.archives.pieces import Kept, Piece, cut, put_together
from foveal.archives.recipes import ORIGINAL, RECIPE, Recipe
from foveal.archives.tars import (
    Member,
    TarWriter,
    compress,
    compress_again,
    find_compression,
    read_members,
    unpacked_tar,
)
from foveal.archives.zips import ZipWriter, read_records
from foveal.errors import UsageError

#: The archive, where to write the changed one, the changed files, and a recipe that does not say how yet.
Rewrite = Callable[[Path, Path, Mapping[str, bytes], Recipe], None]
#: A changed archive, its recipe, and where to write the original.
Restore = Callable[[Path, Recipe, Path], None]


def _rewrite_zip(source: Path, target: Path, changes: Mapping[str, bytes], recipe: Recipe) -> None:
    with source.open("rb") as original, target.open("wb") as out:
        writer = ZipWriter(out)
        writer.add(changes)  # first: where TorchServe's Java cannot read on it has what is needed
        kept = [
            writer.move(original, record)
            for record in read_records(original)
            if safe_name(record.name, source) not in changes
        ]
        pieces, literals = cut(original, source.stat().st_size, kept)
        writer.add({RECIPE: replace(recipe, pieces=pieces, literals=literals).to_bytes()})
        writer.finish()


def _restore_zip(wrapped: Path, recipe: Recipe, target: Path) -> None:
    with wrapped.open("rb") as file, target.open("wb") as out:
        put_together(recipe.pieces, recipe.literals, file, out)


def _rewrite_tgz(source: Path, target: Path, changes: Mapping[str, bytes], recipe: Recipe) -> None:
    with unpacked_tar(source) as (tar, whole), TemporaryFile() as fresh, target.open("wb") as out:
        members, prefix = read_members(tar, source)
        writer = TarWriter(fresh, prefix)
        kept = _keep(tar, members, changes, writer)
        compression = find_compression(tar, source) if whole else None
        if compression is None:
            recipe = _with_original(recipe, source, writer)
        else:
            pieces, literals = cut(tar, tar.seek(0, 2), kept)
            recipe = replace(recipe, pieces=pieces, literals=literals, compression=compression)
        for name, content in sorted(changes.items()):
            writer.add_bytes(name, content)
        writer.add_bytes(RECIPE, recipe.to_bytes())
        writer.finish()
        compress(fresh, out)


def _keep(
    tar: IO[bytes], members: Sequence[Member], changes: Mapping[str, bytes], writer: TarWriter
) -> list[Kept]:
    """Move all that does not change; headers that hold for the whole tar lie between the members."""
    kept, position = [], 0
    for member in members:
        end = member.start if member.name in changes else member.end
        kept.append(writer.move(tar, position, end))
        position = member.end
    return kept


def _with_original(recipe: Recipe, source: Path, writer: TarWriter) -> Recipe:
    """Put the whole original into the archive."""
    size = source.stat().st_size
    with source.open("rb") as original:
        at = writer.add(ORIGINAL, original, size)
    return replace(recipe, pieces=(Piece(size, at),), files={**recipe.files, ORIGINAL: recipe.sha256})


def _restore_tgz(wrapped: Path, recipe: Recipe, target: Path) -> None:
    with unpacked_tar(wrapped) as (tar, _), target.open("wb") as out:
        if recipe.compression is None:
            put_together(recipe.pieces, recipe.literals, tar, out)
            return
        with TemporaryFile() as original:
            put_together(recipe.pieces, recipe.literals, tar, original)
            compress_again(original, recipe.compression, out)


def _rewrite_folder(source: Path, target: Path, changes: Mapping[str, bytes], recipe: Recipe) -> None:
    _require_inner_links(source)
    _copy_folder(source, target)
    replaced = {name: _encoded(source / name) for name in sorted(changes)}
    for name, content in {**changes, RECIPE: replace(recipe, replaced=replaced).to_bytes()}.items():
        _overwrite(target / name, content)


def _restore_folder(wrapped: Path, recipe: Recipe, target: Path) -> None:
    _require_inner_links(wrapped)
    _copy_folder(wrapped, target)
    for name, content in {**(recipe.replaced or {}), RECIPE: None}.items():
        path = target / safe_name(name, wrapped)
        if content is None:
            path.unlink()
        else:
            _overwrite(path, b64decode(content))


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with its links, without what Python leaves there."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))


def _overwrite(path: Path, content: bytes) -> None:
    """Write a file; one that was there keeps its mode, also where that forbids writing."""
    mode = path.stat().st_mode if path.is_file() else None
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mode is not None:
        path.chmod(mode)


def _encoded(path: Path) -> str | None:
    """Give a file's content as text, or nothing where there is none."""
    return b64encode(path.read_bytes()).decode() if path.is_file() else None


def _require_inner_links(folder: Path) -> None:
    """Refuse links that would lead elsewhere from another place."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and (path.readlink().is_absolute() or root not in path.resolve().parents):
            raise UsageError(f"{path} is a link that leads out of the archive", "Put the file itself there")


REWRITE: dict[str, Rewrite] = {"zip": _rewrite_zip, "tgz": _rewrite_tgz, "folder": _rewrite_folder}
RESTORE: dict[str, Restore] = {"zip": _restore_zip, "tgz": _restore_tgz, "folder": _restore_folder}
