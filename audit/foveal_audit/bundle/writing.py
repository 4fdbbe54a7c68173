"""Writing a bundle: all of it or nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from foveal.errors import EnvironmentFault, UsageError
from foveal_audit.bundle.changes import with_changes
from foveal_audit.bundle.coverage import coverage_csv
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.manifest import MANIFEST, load_private_key, manifest_path, write_manifest
from foveal_audit.bundle.training import TRAINING, training_csv
from foveal_audit.bundle.worklist import WORKLIST, worklist_csv

FINDINGS = "findings.json"
COVERAGE = "coverage.csv"
GENERATORS = "generators"

#: Makes one file of the bundle from the result, such as ``report.html``.
Document = Callable[[AuditResult], str | bytes]
#: Ends the name of a text that stands for a document which this machine cannot make, and says why.
MISSING = ".missing.txt"
#: Writes one feature's generator into the folder it is given.
GeneratorWriter = Callable[[Path], object]


def write_bundle(
    result: AuditResult,
    out: Path,
    *,
    documents: Mapping[str, Document],
    generators: Mapping[str, GeneratorWriter] | None = None,
    previous: Path | None = None,
    key: Path | None = None,
) -> Path:
    """Write a bundle beside its final place, then move it there: what carries the name is always complete.

    A bundle that is already there is replaced, and becomes the previous audit unless another one is given.

    Parameters
    ----------
    documents
        File name and the function that makes its content, see
        :func:`foveal_audit.report.documents.documents`. Where one raises an ``EnvironmentFault``, NAME
        followed by :data:`MISSING` says why in its place, and the bundle is written nevertheless.
    generators
        Feature and the function that writes its generator's files.
    previous
        Bundle of the previous audit: its manifest enters the chain, and the findings say what changed since.
    key
        PEM file with the Ed25519 key to sign with.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    UsageError
        ``out`` is a file or a folder with something else in it, ``previous`` no bundle, or ``key`` no key.
    EnvironmentFault
        The disk refuses: full, or not writable.
    """
    earlier = check_place(out, previous, key)
    try:
        with _published(out) as folder:
            _write_files(with_changes(result, earlier, FINDINGS), folder, documents)
            _write_generators(folder, generators or {})
            write_manifest(folder, result.findings.fingerprint, earlier, key)
    except OSError as error:
        raise EnvironmentFault(
            f"cannot write {out}: {error}", "Free some space or choose another folder"
        ) from error
    return out


def check_place(out: Path, previous: Path | None = None, key: Path | None = None) -> Path | None:
    """Find what would stop a bundle before the work and not after it.

    Returns
    -------
    Path | None
        The bundle that it follows: ``previous``, else the one that is at ``out`` already, if any.

    Raises
    ------
    UsageError
        As in :func:`write_bundle`.
    """
    replaced = _existing_bundle(out)
    if previous is not None:
        manifest_path(previous)
    if key is not None:
        load_private_key(key)
    return previous or replaced


def generator_folder(feature: str) -> str:
    """Name the folder of a feature's generator, relative to the bundle (``generators/contribution:12``)."""
    return f"{GENERATORS}/{quote(feature, safe=':')}"


def _existing_bundle(out: Path) -> Path | None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", "Give a folder for the bundle")
    if not out.exists() or not any(out.iterdir()):
        return None
    if not (out / MANIFEST).is_file():
        raise UsageError(
            f"{out} is not empty and is not a bundle", "Give an empty folder, or one that does not exist yet"
        )
    return out


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """Lend a folder beside ``out`` that takes its place at the end, or vanishes if anything fails."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    folder.mkdir()
    try:
        yield folder
        _replace(out, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(out: Path, folder: Path) -> None:
    """Move a complete folder to its name; folders cannot be swapped in one step, so the old one waits."""
    if not out.exists():
        folder.rename(out)
        return
    old = folder.with_suffix(".replaced")
    out.rename(old)
    try:
        folder.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_files(result: AuditResult, folder: Path, documents: Mapping[str, Document]) -> None:
    tables = {
        FINDINGS: result.findings.to_json(),
        COVERAGE: coverage_csv(result.coverage),
        WORKLIST: worklist_csv(result.worklist, result.findings.artefacts),
    }
    if result.training is not None:
        tables[TRAINING] = training_csv(result.training)
    made = (_made(name, document, result) for name, document in documents.items())
    for name, content in (*tables.items(), *made):
        written = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        (folder / name).write_bytes(written)


def _made(name: str, document: Document, result: AuditResult) -> tuple[str, str | bytes]:
    """Make a document, or where this machine cannot, a text that says why."""
    try:
        return name, document(result)
    except EnvironmentFault as fault:
        return name + MISSING, f"{fault}\n"


def _write_generators(folder: Path, generators: Mapping[str, GeneratorWriter]) -> None:
    for feature, write in sorted(generators.items()):
        place = folder / generator_folder(feature)
        place.mkdir(parents=True)
        write(place)
