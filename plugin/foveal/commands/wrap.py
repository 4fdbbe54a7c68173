"""``foveal wrap``: auditing for an archive that exists, its handler untouched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foveal.commands.pack import read_config


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("wrap")(wrap)


def wrap(
    archive: Annotated[Path, typer.Argument(metavar="IN.mar", help="A .mar, .tar.gz or folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.mar", help="The archive to write.")],
    config: Annotated[
        Path | None, typer.Option(help="YAML with a foveal section, and preprocess where it is missing.")
    ] = None,
    registered: Annotated[
        str | None, typer.Option(metavar="models:/NAME/VERSION", help="What the MLflow registry calls it.")
    ] = None,
    metrics_yaml: Annotated[
        Path | None,
        typer.Option(help="The server's metrics.yaml: a copy that knows Foveal's metrics is put beside OUT."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Let an archive note what its model looks at, without touching its handler.

    The handler answers as before, and `foveal unwrap` gives the original back byte for byte.
    """
    from foveal.archives.metrics_file import merge_file  # noqa: PLC0415 - start-up stays light
    from foveal.archives.wrapping import wrap as build  # noqa: PLC0415
    from foveal.monitoring.workers import missing  # noqa: PLC0415

    report = build(archive, out, read_config(config), registered).to_mapping()
    if metrics_yaml is not None:
        report["metrics"] = str(merge_file(metrics_yaml, out.parent, missing))
    typer.echo(json.dumps(report, indent=2) if as_json else _words(report))


def _words(report: dict[str, str]) -> str:
    """Say what was written and what to do with it."""
    line = "{archive}: model {name}, handler {handler} audited, settings in {settings}, sha256 {sha256}"
    more = "\nfor config.properties: metrics_config={metrics}" if "metrics" in report else ""
    return (line + more).format(**report)
