"""``foveal worklists``: what experts' verdicts ask for, as tables."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from foveal.errors import EnvironmentFault


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("worklists")(worklists)


def worklists(
    bundle: Annotated[
        Path | None, typer.Argument(help="Folder of an audit; the library's newest one otherwise.")
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for the tables.")
    ] = Path(),
    library: Annotated[
        str | None, typer.Option(help="Name of the library; the bundle's own otherwise.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """List the training samples with what experts dismissed, and what to acquire for the gaps they accepted.

    Writes unwanted.csv and acquisition.csv; the explorer offers the same two. Where readers disagree neither
    lists anything.
    """
    from foveal.library.connection import quiet  # noqa: PLC0415 - start-up stays light
    from foveal_audit.explorer.exhibits import open_exhibits  # noqa: PLC0415
    from foveal_audit.explorer.worklists import acquisition_csv, unwanted_csv  # noqa: PLC0415

    quiet()
    exhibits = open_exhibits(bundle, library)
    said = exhibits.said()
    with exhibits.reading() as shelf:
        tables = {
            "unwanted.csv": unwanted_csv(shelf, exhibits.findings, said, exhibits.training),
            "acquisition.csv": acquisition_csv(exhibits.findings, said),
        }
    report = {str(out / name): _written(out / name, table) for name, table in tables.items()}
    lines = (f"{path}: {number:,} lines" for path, number in report.items())
    typer.echo(json.dumps({"files": report}) if as_json else "\n".join(lines))


def _written(path: Path, table: str) -> int:
    """Write a table; give the number of its lines below the header."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table.encode("utf-8", "backslashreplace"))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise EnvironmentFault(
            f"{path} cannot be written ({reason})", "Choose another folder with -o"
        ) from error
    return sum(1 for _ in csv.reader(io.StringIO(table))) - 1
