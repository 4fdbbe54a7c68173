"""``foveal export``: a bundle's findings in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foveal.errors import EnvironmentFault


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("export")(export)


def export(
    bundle: Annotated[
        Path, typer.Argument(help="The folder that `foveal audit -o` wrote.", show_default=False)
    ],
    form: Annotated[
        str,
        typer.Option("--format", "-f", help="sarif, cyclonedx (ML-BOM) or in-toto.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; printed otherwise.", show_default=False),
    ] = None,
) -> None:
    """Write the findings of BUNDLE as SARIF, as a CycloneDX bill of materials or as an in-toto statement.

    The same bundle always gives the same file. A bundle that was altered is refused.
    """
    from foveal_audit.exports.filed import open_filed, refuse_inside  # noqa: PLC0415 - start-up stays light
    from foveal_audit.exports.registry import export_of  # noqa: PLC0415

    write = export_of(form)
    if out is not None:
        refuse_inside(bundle, out)
    text = write(open_filed(bundle))
    if out is None:
        typer.echo(text, nl=False)
    else:
        _write(out, text)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"cannot write {out}: {error.strerror}", "Give a file in a folder that exists"
        ) from error
