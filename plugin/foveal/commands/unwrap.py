"""``foveal unwrap``: the original of a wrapped archive, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("unwrap")(unwrap)


def unwrap(
    archive: Annotated[Path, typer.Argument(metavar="IN.mar", help="What foveal wrap wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.mar", help="Where to put the original.")],
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Make the original of a wrapped archive again, byte for byte."""
    from foveal.archives.unwrapping import unwrap as restore  # noqa: PLC0415 - start-up stays light

    report = restore(archive, out)
    line = "{original}: handler {handler}, sha256 {sha256}"
    typer.echo(json.dumps(report, indent=2) if as_json else line.format(**report))
