"""``foveal collect``: a data set's samples and entries for a library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal.collecting import Collected
    from foveal.library import Library
    from foveal.records import Source
    from foveal.samples.cutting import Tiles


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("collect")(collect)


def collect(
    model: Annotated[
        str,
        typer.Argument(help="A .mar, .onnx, .pt or .pt2, models:/NAME/VERSION, or python:module:factory."),
    ],
    data: Annotated[
        Path,
        typer.Argument(help="A folder, one sub-folder per class, or a CSV manifest with a path column."),
    ],
    source: Annotated[
        str, typer.Option(metavar="training|validation|production", help="Where the samples come from.")
    ],
    library: Annotated[
        str | None, typer.Option(metavar="NAME", help="The library; by default the model's name.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples per forward pass.")] = 64,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out files that cannot be read as images.")
    ] = False,
    tile: Annotated[
        int | None,
        typer.Option(min=2, help="Take each tile of so many pixels a side of larger images as a sample."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            min=0, help="Pixels that tiles share; an object there is in entries of each. [default: 0]"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Attribute the samples of DATA with MODEL and add them to a library.

    Running it again adds what is new and nothing else.
    """
    from foveal.archives import load_model  # noqa: PLC0415 - start-up stays light
    from foveal.collecting import collect as run  # noqa: PLC0415
    from foveal.commands.progress import reporting  # noqa: PLC0415
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415

    quiet()
    from_where, tiles = _source(source), _tiles(tile, overlap)
    audited = load_model(model)
    target = Library(library or audited.name)
    target.exists()  # a server that is down is better noticed before the work than after
    try:
        with reporting() as progress:
            collected = run(
                audited,
                data,
                from_where,
                target,
                progress,
                batch,
                skip_unreadable=skip_unreadable,
                tiles=tiles,
            )
    except KeyboardInterrupt:
        typer.echo("What was collected so far is in the library. Run the same again to go on.", err=True)
        raise
    report = _report(target, source, collected)
    typer.echo(json.dumps(report) if as_json else _text(report))


def _source(text: str) -> Source:
    from foveal.errors import UsageError, nearest  # noqa: PLC0415 - start-up stays light
    from foveal.records import SOURCES  # noqa: PLC0415 - brings numpy

    for source in SOURCES:
        if source == text:
            return source
    raise UsageError(f"Unknown --source {text!r}", nearest(text, SOURCES))


def _tiles(side: int | None, overlap: int | None) -> Tiles | None:
    from foveal.errors import UsageError  # noqa: PLC0415 - start-up stays light
    from foveal.samples.cutting import Tiles  # noqa: PLC0415

    if side is None and overlap is not None:
        raise UsageError(f"--overlap {overlap} has no tiles", "Name the side of a tile: --tile")
    return None if side is None else Tiles(side, overlap or 0)


def _report(library: Library, source: str, collected: Collected) -> dict[str, Any]:
    made = library.exists()
    return {
        "library": library.name,
        "tracking_uri": library.uri,
        "run_id": library.run_id if made else None,
        "url": library.url if made else None,
        "source": source,
        **vars(collected),
    }


def _text(report: dict[str, Any]) -> str:
    new = f"{report['samples']:,} {report['source']} samples with {report['entries']:,} entries"
    notes = {
        "were in it already": report["already"],
        "are left out, their manifest names another source": report["left_out"],
        "tiles are empty and left out": report["empty_tiles"],
        "pixels at most are in several tiles: each has entries of what lies there": report["shared"],
        "cannot be read and are left out": len(report["unreadable"]),
    }
    lines = [
        f"{new} are new in library {report['library']!r}.",
        *(f"{number:,} {what}." for what, number in notes.items() if number),
        *(f"  {name}" for name in report["unreadable"][:20]),
        *([f"See: foveal library show {report['library']}, or {report['url']}"] if report["url"] else []),
    ]
    return "\n".join(lines)
