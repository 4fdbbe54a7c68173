"""Make the original of a wrapped archive again, byte for byte."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foveal.archives.containers import container_of, reading
from foveal.archives.drafting import drafted, require_place
from foveal.archives.mar import archive_sha256, file_sha256, files_in, opened, read_own_settings
from foveal.archives.recipes import RECIPE, Recipe
from foveal.archives.rewriting import RESTORE
from foveal.errors import EnvironmentFault, UsageError

_KEEP = "Use the original archive, or unwrap the file as foveal wrap wrote it"


def unwrap(source: Path, out: Path) -> dict[str, Any]:
    """Write the archive that another one was wrapped from.

    Parameters
    ----------
    source
        What `foveal.archives.wrapping.wrap` wrote; it is only read.
    out
        Where to write the original.

    Returns
    -------
    dict
        ``archive``, ``original``, ``container``, ``handler`` and the original's ``sha256``.

    Raises
    ------
    UsageError
        When the archive is not a wrapped one, or was changed since.
    EnvironmentFault
        When the original cannot be written, or this Python's zlib compresses otherwise than the first one.
    """
    require_place(source, out)
    with opened(source) as folder, drafted(out) as draft:
        recipe = restore(source, folder, draft)
        handler = read_own_settings(folder)["wrapped"]["handler"]
    return {
        "archive": str(source),
        "original": str(out),
        "container": recipe.container,
        "handler": handler,
        "sha256": recipe.sha256,
    }


def restore(wrapped: Path, folder: Path, target: Path) -> Recipe:
    """Write the original of a wrapped archive, and check that it is the original.

    Parameters
    ----------
    wrapped
        The wrapped archive.
    folder
        What it holds, unpacked.
    target
        Where to write.
    """
    recipe = _read_recipe(folder, wrapped)
    _require_unchanged(folder, recipe, wrapped)
    _require_same_form(container_of(wrapped), recipe, wrapped)
    with reading(wrapped), _as_it_was(wrapped):
        RESTORE[recipe.container](wrapped, recipe, target)
    _require_original(target, recipe, wrapped)
    return recipe


@contextmanager
def _as_it_was(wrapped: Path) -> Iterator[None]:
    """Say what it means that a sound archive is shorter than its recipe expects."""
    try:
        yield
    except EOFError as error:
        raise _packed_again(wrapped) from error


def _packed_again(wrapped: Path) -> UsageError:
    return UsageError(f"{wrapped} was packed again after it was wrapped", _KEEP)


def original_hash(location: Path) -> str:
    """Give the SHA-256 by which a restored archive is recognised: of the file, or of a folder's content."""
    return archive_sha256(location) if location.is_dir() else file_sha256(location)


def _read_recipe(folder: Path, wrapped: Path) -> Recipe:
    """Read how the original is made."""
    part = read_own_settings(folder).get("wrapped")
    if not isinstance(part, dict) or "handler" not in part or not (folder / RECIPE).is_file():
        raise UsageError(f"{wrapped} is not a wrapped archive", "Give one that foveal wrap wrote")
    return Recipe.from_bytes((folder / RECIPE).read_bytes(), wrapped)


def _require_unchanged(folder: Path, recipe: Recipe, wrapped: Path) -> None:
    """Refuse an archive whose files are others now: the changes would be lost without a word."""
    found = {name: file_sha256(path) for name, path in files_in(folder).items() if name != RECIPE}
    changed = sorted(name for name, _ in found.items() ^ dict(recipe.files).items())
    if changed:
        raise UsageError(
            f"{wrapped} was changed after it was wrapped ({', '.join(dict.fromkeys(changed))})", _KEEP
        )


def _require_same_form(container: str, recipe: Recipe, wrapped: Path) -> None:
    """Refuse an archive that was unpacked or packed again in another form."""
    if container != recipe.container:
        raise UsageError(
            f"{wrapped} is a {container}, and was a {recipe.container} when it was wrapped", _KEEP
        )


def _require_original(target: Path, recipe: Recipe, wrapped: Path) -> None:
    """Insist on the bytes that were wrapped."""
    if original_hash(target) == recipe.sha256:
        return
    before = recipe.compression.zlib if recipe.compression else zlib.ZLIB_RUNTIME_VERSION
    if before != zlib.ZLIB_RUNTIME_VERSION:
        raise EnvironmentFault(
            f"The original of {wrapped} was read with zlib {before}, and this Python's "
            f"{zlib.ZLIB_RUNTIME_VERSION} compresses otherwise",
            f"Unwrap it with a Python that has zlib {before}",
        )
    raise _packed_again(wrapped)
