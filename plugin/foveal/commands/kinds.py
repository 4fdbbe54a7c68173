"""``foveal kinds``: what kinds of samples there are, how their files are called, and an example each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal.samples.kinds import Kind


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("kinds")(kinds)


def kinds(
    name: Annotated[str | None, typer.Argument(help="Show one kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """List the kinds of samples that are read, served, explained and collected, with an example each.

    Windows count in steps of the axes named here: all starts, then all ends.
    """
    from foveal.samples.kinds import KINDS, get_kind  # noqa: PLC0415 - start-up stays light

    chosen = list(KINDS.values()) if name is None else [get_kind(name)]
    reports = [_describe(kind) for kind in chosen]
    if as_json:
        typer.echo(json.dumps(reports if name is None else reports[0], indent=2, ensure_ascii=False))
    else:
        typer.echo("\n\n".join(_paragraph(report) for report in reports))


def _describe(kind: Kind) -> dict[str, Any]:
    from foveal.archives.entries import SAMPLES  # noqa: PLC0415

    return {
        "kind": kind.name,
        "axes": list(kind.axes),
        "archives": [archive for archive, sample in SAMPLES.items() if sample == kind.name],
        "formats": list(kind.formats),
        "suffixes": sorted(kind.suffixes),
        "settings": sorted(set(kind.transform({}).to_mapping()) - {"kind"}),
        "example": kind.example,
    }


def _paragraph(report: dict[str, Any]) -> str:
    lines = {
        "axes": ", ".join(report["axes"]),
        "formats": ", ".join(report["formats"]),
        "files": " ".join(report["suffixes"]),
        "pack": " or ".join(f"foveal pack --kind {archive}" for archive in report["archives"]),
        "preprocess": ", ".join(report["settings"]),
        "example": report["example"],
    }
    return "\n".join([report["kind"], *(f"  {key:<11} {value}" for key, value in lines.items() if value)])
