"""``foveal library erase|retain|compact|verify|export``: from the first entry to the last."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.errors import UsageError, nearest
from foveal.sources import SOURCES, Source

if TYPE_CHECKING:
    from foveal.library.compacting import Compacted
    from foveal.library.exporting import Exported
    from foveal.library.receipt import Receipt
    from foveal.library.verifying import Verified
    from foveal.library.wanted import By, Wanted

#: Something does not hold.
_FOUND = 1
#: Something is still to be erased, and the same command goes on from there.
_UNFINISHED = 4

_Name = Annotated[str, typer.Argument(help="Name of the library.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
_Spools = Annotated[
    list[Path] | None,
    typer.Option("--spool", help="A spool to erase from too; may be given again.", show_default=False),
]
_Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="Only samples of this source; may be given again.", show_default=False),
]
_Events = Annotated[
    bool, typer.Option("--keep-events/--no-events", help="Keep a record that there was a sample, without it.")
]


def register(commands: typer.Typer) -> None:
    """Add the commands to ``foveal library``."""
    for command in (erase, retain, compact, verify, export):
        commands.command(command.__name__)(command)


def erase(
    name: _Name,
    request_id: Annotated[
        str | None, typer.Option(help="All rows of the request of this id.", show_default=False)
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="A file, by its name in the library or its place.", show_default=False
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="What was recorded before, such as 2026-03-01.", show_default=False
        ),
    ] = None,
    source: _Sources = None,
    spool: _Spools = None,
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="The folder of an audit to redact; may be given again.", show_default=False),
    ] = None,
    keep_events: _Events = True,
    as_json: _AsJson = False,
) -> None:
    """Erase samples from the library NAME, from spools and from bundles, and print a receipt.

    It may be stopped at any time; the same command goes on. It exits with 4 as long as something could not be
    reached, and says what to do.
    """
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.library.erasing import erase as run  # noqa: PLC0415

    quiet()
    wanted = _wanted({"request-id": request_id, "sample": sample, "before": before}, source)
    receipt = run(Library(name), wanted, spool or (), bundle or (), keep_events=keep_events)
    _finish(receipt, as_json)


def retain(
    name: _Name,
    days: Annotated[float, typer.Option(help="How long samples are kept.", show_default=False)],
    source: _Sources = None,
    spool: _Spools = None,
    keep_events: _Events = True,
    as_json: _AsJson = False,
) -> None:
    """Erase production samples that are older than so many days from the library NAME; for a timer."""
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.library.retention import retain as run  # noqa: PLC0415

    quiet()
    sources = _sources(source) if source else ("production",)
    receipt = run(Library(name), days, spool or (), sources=sources, keep_events=keep_events)
    _finish(receipt, as_json)


def compact(
    name: _Name,
    rows: Annotated[int, typer.Option(help="Merge until a shard holds about so many entries.")] = 10_000,
    as_json: _AsJson = False,
) -> None:
    """Merge the small shards of the library NAME into large ones; it reads the same, and faster."""
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.compacting import compact as run  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415

    quiet()
    with reporting() as progress:
        done = run(Library(name), rows, lambda *state: progress(f"compacting {name}", *state))
    typer.echo(json.dumps(asdict(done)) if as_json else _compacted(name, done))


def verify(
    name: _Name,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every crop and hash all records too.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Check that the files of the library NAME are there, whole, and fit together.

    Exits with 1 and says what to do where something does not hold.
    """
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.library.verifying import verify as run  # noqa: PLC0415

    quiet()
    with reporting() as progress:
        done = run(Library(name), deep, lambda *state: progress(f"verifying {name}", *state))
    typer.echo(json.dumps({"name": name, **asdict(done)}) if as_json else _verified(name, done))
    if done.findings:
        raise typer.Exit(_FOUND)


def export(
    name: _Name,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A folder that is empty or not there yet.", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option("--format", help="folders, webdataset or huggingface.", show_default=False)
    ],
    feature: Annotated[
        list[str] | None, typer.Option(help="Only this feature; may be given again.", show_default=False)
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only entries of this source.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many entries of each feature.", show_default=False)
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Write the crops of the library NAME, and what is known of them, for other programs."""
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.library.exporting import export as run  # noqa: PLC0415

    quiet()
    chosen = None if source is None else _sources([source])[0]
    done = run(Library(name), out, kind, features=feature or (), source=chosen, limit=limit)
    typer.echo(json.dumps(_export_report(done, kind)) if as_json else _exported(done))


def _wanted(given: dict[By, str | None], sources: list[str] | None) -> Wanted:
    from foveal.library.wanted import Wanted  # noqa: PLC0415 - start-up stays light

    named = [(by, value) for by, value in given.items() if value is not None]
    if len(named) != 1:
        raise UsageError(
            "Say in one way which samples are meant", "Give --request-id, --sample or --before, one of them"
        )
    return Wanted(*named[0], _sources(sources) if sources else SOURCES)


def _sources(given: list[str]) -> tuple[Source, ...]:
    for source in given:
        if source not in SOURCES:
            raise UsageError(f"{source!r} is no source", nearest(source, SOURCES))
    return tuple(source for source in SOURCES if source in given)


def _finish(receipt: Receipt, as_json: bool) -> None:
    typer.echo(json.dumps(receipt.as_dict()) if as_json else _receipt(receipt))
    if not receipt.complete:
        raise typer.Exit(_UNFINISHED)


def _receipt(receipt: Receipt) -> str:
    samples = sum(receipt.counts[place]["samples"] for place in ("library", "spool"))
    head = (
        f"{receipt.library}: {samples:,} samples erased"
        if receipt.id
        else f"{receipt.library}: nothing to erase"
    )
    places = [
        f"  {place}: " + ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)
        for place, counts in receipt.counts.items()
        if any(counts.values())
    ]
    retrain = (
        [f"  to be learned again: the generators of {', '.join(receipt.retrain)}"] if receipt.retrain else []
    )
    left = [f"  not reached: {one.place}: {one.reason}. {one.mend}." for one in receipt.unreached]
    stored = [f"  receipt: receipts/{receipt.id}.json of the library's run"] if receipt.id else []
    return "\n".join([head, *places, *retrain, *left, *stored])


def _compacted(name: str, done: Compacted) -> str:
    if not done.merged:
        return f"{name}: nothing to merge among {done.before:,} shards"
    return f"{name}: {done.before:,} shards became {done.after:,}"


def _verified(name: str, done: Verified) -> str:
    held = f"{done.shards:,} shards, {done.samples:,} samples, {done.entries:,} entries"
    if not done.findings:
        return f"{name}: intact, {held}"
    lines = (f"  {one.place} {one.fault}. {one.mend}." for one in done.findings)
    return "\n".join([f"{name}: {len(done.findings):,} findings in {held}", *lines])


def _export_report(done: Exported, kind: str) -> dict[str, Any]:
    return {
        "out": str(done.folder),
        "format": kind,
        "entries": done.entries,
        "features": done.features,
        "files": done.files,
    }


def _exported(done: Exported) -> str:
    held = f"{done.entries:,} entries of {len(done.features):,} features"
    return f"{held} in {done.files:,} files at {done.folder}"
