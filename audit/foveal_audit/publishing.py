"""Audit, then put the result where people look: a bundle on disk, a run in MLflow, units in the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foveal import Library
from foveal.archives import AuditedModel
from foveal.errors import UsageError
from foveal_audit.auditing import Progress, audit, silent
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.tracking import log_bundle
from foveal_audit.bundle.writing import FINDINGS, MISSING, check_place, write_bundle
from foveal_audit.engine.running import Engine
from foveal_audit.knowledge import NOTHING, Knowledge
from foveal_audit.registering import record_verdict
from foveal_audit.report.documents import PAPER, documents
from foveal_audit.settings import AuditSettings


@dataclass(frozen=True)
class Published:
    """A finished audit.

    Attributes
    ----------
    findings, bundle
        What was found, and the folder with all of it.
    run_id, url
        The audit's run in MLflow and its page.
    warning
        Why the model registry could not be told, or the bundle has no ``report.pdf``; else nothing.
    """

    findings: Findings
    bundle: Path
    run_id: str
    url: str
    warning: str = ""


def publish(
    model: AuditedModel,
    library: Library,
    settings: AuditSettings,
    out: Path,
    *,
    previous: Path | None = None,
    key: Path | None = None,
    progress: Progress = silent,
    engine: Engine | None = None,
    knowledge: Knowledge = NOTHING,
    pdf: bool = True,
    whole_pictures: bool = True,
) -> Published:
    """Audit a model and publish what was found.

    Parameters
    ----------
    model, library, settings, progress, engine, knowledge
        As in :func:`foveal_audit.auditing.audit`.
    out, previous, key
        As in :func:`foveal_audit.bundle.writing.write_bundle`.
    pdf
        Whether the bundle gets a ``report.pdf``.
    whole_pictures
        Whether the report shows whole pictures beside crops: more of a sample than the library keeps.

    Raises
    ------
    UsageError
        If the library holds nothing about the model, or ``out`` holds something else.
    EnvironmentFault
        If MLflow or the disk fails; a bundle that was written stays.
    """
    require(library, model)
    check_place(out, previous, key)
    audited = audit(model, library, settings, progress, engine, knowledge=knowledge)
    progress("writing the bundle", 0, 1)
    bundle = write_bundle(
        audited.result if whole_pictures else audited.result.cropped(),
        out,
        documents=documents(pdf=pdf),
        generators=audited.generators,
        previous=previous,
        key=key,
    )
    findings = Findings.model_validate_json((bundle / FINDINGS).read_bytes())  # with what changed since
    library.assign(audited.units, findings.fingerprint[:16])
    logged = log_bundle(bundle, library)
    warnings = [record_verdict(model, library, findings, logged.run_id), _missing(bundle)]
    library.publish_note(patience=0)  # the windows have their units now, and the page names the audit
    progress("writing the bundle", 1, 1)
    return Published(findings, bundle, logged.run_id, logged.url, "; ".join(filter(None, warnings)))


def _missing(bundle: Path) -> str:
    """Say why the report is not there on paper, if it is not."""
    told = bundle / (PAPER + MISSING)
    return told.read_text("utf-8").strip() if told.is_file() else ""


def require(library: Library, model: AuditedModel) -> None:
    """Refuse a library that does not exist.

    Raises
    ------
    UsageError
        With the command that would fill it.
    """
    if not library.exists():
        raise UsageError(
            f"There is no library {library.name!r} in MLflow at {library.tracking_uri}",
            f"Fill it first: foveal collect {model.source} DATA --source training --library {library.name}",
        )
