"""``foveal library annotations``: what experts said about a library, out of it and into another."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from foveal.library.opinions import Standing

#: The chain of events does not hold.
_FOUND = 1


def register(commands: typer.Typer) -> None:
    """Add the command to ``foveal library``."""
    commands.command("annotations")(show_annotations)


def show_annotations(
    name: Annotated[str, typer.Argument(help="Name of the library.")],
    out: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write all events as JSON.")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Add the events of such a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what experts said about the library NAME, and check that nothing of it was changed.

    It exits with 1 where an event was altered or is missing.
    """
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.annotations import Annotations  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.library.opinions import standings  # noqa: PLC0415

    quiet()
    library = Library(name)
    library.tracking.run()  # nothing is made by a name with a slip in it
    kept = Annotations(library.tracking)
    added = 0 if given is None else kept.read_in(_read(given))
    if out is not None:
        _write(out, kept.export())
    events, problems = kept.events(), kept.verify()
    report = {
        "name": name,
        "events": len(events),
        "added": added,
        "heads": kept.heads(),
        "problems": problems,
        "subjects": [_record(one) for one in standings(events).values()],
    }
    typer.echo(json.dumps(report) if as_json else _text(report))
    if problems:
        raise typer.Exit(_FOUND)


def _record(one: Standing) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "verdict": one.verdict,
        "disagreement": one.disagreement,
        "name": one.name,
        "code": one.code,
        "assigned": one.assigned,
        "awaited": list(one.awaited),
        "opened": one.opened,
        "readers": {said.who: said.verdict for said in one.opinions},
    }


def _text(report: dict[str, Any]) -> str:
    lines = [
        f"{report['name']}: {report['events']:,} events about {len(report['subjects']):,} subjects",
        *(_line(one) for one in report["subjects"]),
        *([f"{report['added']:,} events added"] if report["added"] else []),
        *report["problems"],
        "the chain does not hold" if report["problems"] else "the chain holds",
    ]
    return "\n".join(lines)


def _line(one: dict[str, Any]) -> str:
    readers = ", ".join(f"{who}: {verdict or 'no verdict'}" for who, verdict in one["readers"].items())
    named = (
        f" \N{LEFT DOUBLE QUOTATION MARK}{one['name']}\N{RIGHT DOUBLE QUOTATION MARK}" if one["name"] else ""
    )
    more = [f"opened again by {one['opened']}"] if one["opened"] else []
    more += [f"awaits {', '.join(one['awaited'])}"] if one["awaited"] else []
    said = "; ".join([*([readers] if readers else []), *more])
    return f"{'!' if one['disagreement'] else ' '} {one['subject']}{named}  {said}"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        mend = "Give a file that `foveal library annotations NAME --export FILE` wrote"
        raise UsageError(f"Annotations cannot be read from {path}", mend) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise EnvironmentFault(
            f"Annotations cannot be written to {path} ({reason})", "Choose another place"
        ) from error
