"""``foveal audit``: judge a model on its library and write the bundle."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from foveal_audit.bundle.schema import Findings

#: Findings at or above this make the command exit with 1.
_FAILING = {"never": (), "confirmed": ("confirmed",), "suspected": ("confirmed", "suspected")}


class FailOn(str, Enum):
    """What makes the command exit with 1."""

    NEVER = "never"
    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("audit")(audit)


def audit(
    model: Annotated[str, typer.Argument(help="A .mar, models:/NAME/VERSION, or python:module:factory.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="BUNDLE", help="The folder to write.")],
    library: Annotated[
        str | None, typer.Option(metavar="NAME", help="The library; by default the model's name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Source of all chance.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer tests, nodes and generators.")] = False,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 at findings of this verdict or a surer one.")
    ] = FailOn.NEVER,
    previous: Annotated[
        Path | None, typer.Option(help="Bundle of the audit that this one follows.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="PEM file with an Ed25519 key to sign with.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Find what MODEL relies on and what it never learned, and write the evidence to BUNDLE.

    The library must hold training samples of the model (foveal collect); with production samples, gaps are
    looked for too. The bundle is also logged to MLflow.
    """
    from foveal.archives import load_model  # noqa: PLC0415 - start-up stays light
    from foveal.commands.progress import reporting  # noqa: PLC0415
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal_audit.publishing import publish  # noqa: PLC0415
    from foveal_audit.settings import QUICK, AuditSettings  # noqa: PLC0415

    quiet()
    audited = load_model(model)
    settings = replace(QUICK if quick else AuditSettings(), seed=seed)
    with reporting() as progress:
        published = publish(
            audited,
            Library(library or audited.name),
            settings,
            out,
            previous=previous,
            key=key,
            progress=progress,
        )
    findings = published.findings
    if published.warning:
        typer.echo(f"foveal: warning: {published.warning}", err=True)
    typer.echo(_as_json(findings, out, published.url) if as_json else _as_text(findings, out, published.url))
    if any(finding.verdict in _FAILING[fail_on.value] for finding in findings.findings):
        raise typer.Exit(1)


def _as_json(findings: Findings, out: Path, url: str) -> str:
    summary = findings.summary.model_dump(mode="json")
    listed = [finding.model_dump(mode="json", exclude={"entries"}) for finding in findings.findings]
    return json.dumps({"bundle": str(out), "url": url, "summary": summary, "findings": listed}, indent=1)


def _as_text(findings: Findings, out: Path, url: str) -> str:
    lines = [findings.summary.headline]
    for finding in findings.artefacts:
        lines.append(
            f"  {finding.id}  {finding.verdict} artefact  {finding.feature}"
            f"  score {finding.artefact_score:.2f}"
        )
    for gap in findings.gaps:
        lines.append(f"  {gap.id}  {gap.gap}  {gap.statement}")
    lines += [f"  not examined: {line}" for line in findings.not_examined]
    return "\n".join([*lines, f"report  {out / 'report.html'}", f"MLflow  {url}"])
