"""The audits that can be shown: bundles on disk and those that MLflow keeps beside the library."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from foveal.errors import UsageError
from foveal.library import Library
from foveal.library.connection import Connection
from foveal_audit.bundle.changes import Subject
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.tracking import ROLE
from foveal_audit.bundle.training import TRAINING, Row, read_training
from foveal_audit.bundle.writing import FINDINGS

_MOST = 50


@dataclass(frozen=True)
class Audit:
    """One audit.

    Attributes
    ----------
    key
        Short name for addresses: ``bundle-0``, or the run.
    title
        Name for people.
    read
        Reads its findings.
    read_training
        Reads all training windows of its facets, see :mod:`.bundle.training`; None where it lists none.
    folder
        Its bundle, where it is a folder of this machine.
    url
        Its run's page in MLflow, where there is one.
    """

    key: str
    title: str
    read: Callable[[], Findings]
    read_training: Callable[[], list[Row] | None] = lambda: None
    folder: Path | None = None
    url: str = ""

    @cached_property
    def findings(self) -> Findings:
        """What it found."""
        return self.read()

    @cached_property
    def training(self) -> list[Row] | None:
        """All training windows of its facets."""
        return self.read_training()

    @cached_property
    def fingerprint(self) -> str:
        """Hash of its findings, which takes a tenth of a second to make."""
        return self.findings.fingerprint


def of_bundle(folder: Path, number: int = 0) -> Audit:
    """Take a bundle on disk.

    Raises
    ------
    UsageError
        It is none, or cannot be read.
    """
    findings = _checked((folder / FINDINGS), folder)
    title = f"{findings.created:%Y-%m-%d %H:%M}, folder {folder.name}"
    return Audit(f"bundle-{number}", title, lambda: findings, lambda: _training(folder, folder), folder)


def logged(library: Library) -> list[Audit]:
    """List the audits whose runs lie beside the library, the newest first."""
    page = library.url.rpartition("/runs/")[0] if "/#/experiments/" in library.url else ""
    with Connection(library.tracking_uri).asking() as client:
        runs = client.search_runs(
            [library.experiment_id], f"tags.`foveal.role` = '{ROLE}' and attributes.status = 'FINISHED'",
            max_results=_MOST,
        )  # fmt: skip
    return [
        Audit(
            run.info.run_id,
            str(run.info.run_name),
            _reader(library, str(run.info.run_id)),
            _training_reader(library, str(run.info.run_id)),
            url=f"{page}/runs/{run.info.run_id}" if page else "",
        )
        for run in runs
    ]


def same(one: Audit, others: Sequence[Audit]) -> str:
    """Give the page of the run that holds the same findings, empty where there is none."""
    for other in others:
        if other.url and other.fingerprint == one.fingerprint:
            return other.url
    return ""


def _reader(library: Library, run_id: str) -> Callable[[], Findings]:
    def read() -> Findings:
        with (
            tempfile.TemporaryDirectory(prefix="foveal-") as scratch,
            Connection(library.tracking_uri).moving() as client,
        ):
            file = Path(client.download_artifacts(run_id, FINDINGS, scratch))
            return _checked(file, f"run {run_id}")

    return read


def _training_reader(library: Library, run_id: str) -> Callable[[], list[Row] | None]:
    def read() -> list[Row] | None:
        with (
            tempfile.TemporaryDirectory(prefix="foveal-") as scratch,
            Connection(library.tracking_uri).moving() as client,
        ):
            if any(file.path == TRAINING for file in client.list_artifacts(run_id)):
                client.download_artifacts(run_id, TRAINING, scratch)
            return _training(Path(scratch), f"run {run_id}")

    return read


def _training(folder: Path, what: object) -> list[Row] | None:
    try:
        return read_training(folder)
    except ValueError as error:
        raise UsageError(f"{what}: {error}", "Check the bundle with `foveal verify`") from error


def _checked(file: Path, what: object) -> Findings:
    try:
        return Findings.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{what} holds no {FINDINGS} that can be read", "Check the bundle with `foveal verify`"
        ) from error


def subjects(findings: Findings) -> list[Subject]:
    """List all that a person may give a verdict on."""
    return [*findings.assessments, *findings.gaps]
