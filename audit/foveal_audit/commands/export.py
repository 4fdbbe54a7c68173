"""``foveal export``: a bundle's findings in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foveal.errors import EnvironmentFault, UsageError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("export")(export)


def export(
    bundle: Annotated[
        Path, typer.Argument(help="The folder that `foveal audit -o` wrote.", show_default=False)
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format", "-f", help="sarif, cyclonedx (ML-BOM), in-toto or dicom.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write, printed otherwise; a folder for dicom.", show_default=False
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(help="For dicom: name of the library; the bundle's own otherwise.", show_default=False),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="For dicom: the folder with the samples; over those that are DICOM, maps are laid, "
            "with their patient and study.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the findings of BUNDLE as SARIF, a CycloneDX bill of materials, an in-toto statement or DICOM.

    The same bundle always gives the same files. A bundle that was altered is refused. DICOM is a folder with
    a structured report, captures of crops and maps, and segmentations of maps.
    """
    from foveal_audit.exports.filed import open_filed, refuse_inside  # noqa: PLC0415 - start-up stays light
    from foveal_audit.exports.registry import DICOM, export_of  # noqa: PLC0415

    if form == DICOM:
        _write_dicom(bundle, out, library, images)
        return
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


def _write_dicom(bundle: Path, out: Path | None, library: str | None, images: Path | None) -> None:
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal_audit.exports.dicom import write_dicom  # noqa: PLC0415
    from foveal_audit.exports.filed import open_filed, refuse_inside  # noqa: PLC0415

    if out is None:
        raise UsageError("DICOM objects are files", "Name a folder for them with -o")
    refuse_inside(bundle, out)
    quiet()
    filed = open_filed(bundle)
    done = write_dicom(filed, Library(library or filed.findings.library.name), out, images)
    for line in done.left_out:
        typer.echo(line, err=True)
    typer.echo(f"{out}: {done.reports} report, {done.captures} captures, {done.maps} maps")
