"""The bundle in MLflow: a run of its own beside the library, whose note says the verdict first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from foveal.library.connection import Connection
from foveal.library.tracking import NOTE_TAG, ROLE_TAG
from foveal_audit.bundle.manifest import read_manifest
from foveal_audit.bundle.schema import ArtefactFinding, Finding, Findings
from foveal_audit.bundle.summary import VERDICTS, plural
from foveal_audit.bundle.writing import FINDINGS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from foveal.library import Library

ROLE = "audit"
REPORT = "report.html"

#: A note is a tag, and MLflow takes 8000 characters: this many for the findings, so many for each.
_LISTING = 6500
_LONGEST = 200


class Logged(NamedTuple):
    """Where a bundle is in MLflow.

    Attributes
    ----------
    run_id
        The audit's run.
    url
        MLflow's page of the run, or without a server the folder of its artifacts.
    """

    run_id: str
    url: str


def log_bundle(bundle: Path, library: Library) -> Logged:
    """Log a bundle as a run in the library's experiment.

    Parameters
    ----------
    bundle
        A finished bundle.
    library
        The library that was audited.

    Returns
    -------
    Logged
        Where to look at it.

    Raises
    ------
    UsageError
        The folder is not a bundle, or there is no such library.
    EnvironmentFault
        MLflow cannot be reached or refuses; a run that was begun is then marked as failed.
    """
    manifest = read_manifest(bundle)
    findings = Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    connection = Connection(library.tracking_uri)
    page = connection.place.rstrip("/") if urlsplit(connection.uri).scheme in ("http", "https") else ""
    with connection.moving() as client, _run(client, library.experiment_id, _name(findings)) as run:
        address = f"{page}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        client.log_artifacts(run.info.run_id, str(bundle))
        tags = _tags(findings, library) | {"foveal.chain": manifest.chain, NOTE_TAG: note(findings, address)}
        for key, value in tags.items():
            client.set_tag(run.info.run_id, key, value)
    return Logged(run.info.run_id, address if page else str(run.info.artifact_uri))


def note(findings: Findings, address: str) -> str:
    """Write the run's note in Markdown: verdict, findings, counts, and the way to the report.

    Parameters
    ----------
    address
        Page of the run.
    """
    verdicts = findings.summary.verdicts
    counts = ", ".join(f"{verdicts[verdict]} {verdict.replace('_', ' ')}" for verdict in VERDICTS)
    listed = _listed(findings.findings)
    more = len(findings.findings) - len(listed)
    return "\n".join(
        [
            f"## {findings.summary.headline}",
            "",
            *listed,
            *([f"- and {more:,} more in findings.json"] if more > 0 else []),
            "",
            f"[Read the report]({address}/artifacts/{REPORT})",
            "",
            f"{plural(findings.summary.facets, 'facet')} examined: {counts}.",
            f"{plural(len(findings.not_examined), 'thing')} not examined.",
            "",
            f"Model `{findings.model.sha256[:12]}`, findings `{findings.fingerprint[:12]}`.",
            "Download the artifacts and run `foveal verify` on the folder to check them.",
        ]
    )


def _name(findings: Findings) -> str:
    return f"audit {findings.created:%Y-%m-%d %H:%M}"


def _tags(findings: Findings, library: Library) -> dict[str, str]:
    return {
        "foveal.library": library.name,
        "foveal.model_sha256": findings.model.sha256,
        "foveal.findings": str(len(findings.findings)),
        "foveal.verdict": findings.summary.headline,
        "foveal.fingerprint": findings.fingerprint,
    }


@contextmanager
def _run(client: MlflowClient, experiment_id: str, name: str) -> Iterator[Run]:
    """Begin a run and end it, well or badly."""
    run = client.create_run(experiment_id, tags={ROLE_TAG: ROLE}, run_name=name)
    try:
        yield run
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id)


def _listed(findings: Sequence[Finding]) -> list[str]:
    """List findings as long as there is room."""
    lines = [_line(one) for one in findings]
    ends = accumulate(len(line) + 1 for line in lines)
    return [line for line, end in zip(lines, ends, strict=True) if end <= _LISTING]


def _line(one: Finding) -> str:
    if isinstance(one, ArtefactFinding):
        feature = _markdown(one.feature)
        reason = _markdown(one.reasons[0]) if one.reasons else "see the report"
        return f"- `{one.id}` artefact {one.verdict}, facet {one.facet} of {feature}: {reason}"
    return f"- `{one.id}` gap {one.verdict}, {one.gap.replace('_', ' ')}: {_markdown(one.statement)}"


def _markdown(text: str) -> str:
    """Take the meaning from everything that Markdown or HTML would read as markup, and shorten it."""
    line = " ".join(text.split())
    short = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "\u2026"
    return re.sub(r"[\\`*_{}\[\]()#!|<>~&:@]", lambda sign: f"&#{ord(sign[0])};", short)
