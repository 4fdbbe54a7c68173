"""``foveal ship``: from the spool into the libraries."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from types import FrameType

    from foveal.shipper import Shipped


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("ship")(ship)


def ship(
    spool: Annotated[Path, typer.Argument(help="The spool's folder, or one model's folder in it.")],
    library: Annotated[
        str | None, typer.Option(metavar="NAME", help="One library for all; by default each model's own.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on for new segments until stopped (Ctrl-C or SIGTERM).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Move what the serving workers saw from SPOOL into the library, exactly once.

    It may be stopped and started at any time, and so may the workers and MLflow.
    """
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.shipper import ship as run  # noqa: PLC0415

    quiet()
    target = None if library is None else Library(library)
    if follow:
        with _until_stopped() as stop:
            shipped = run(spool, target, follow=True, stop=stop)
    else:
        with reporting() as progress:
            shipped = run(spool, target, progress=lambda model, *state: progress(f"shipping {model}", *state))
    report = _report(shipped)
    typer.echo(json.dumps(report) if as_json else _text(report))


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C or SIGTERM sets; a second one ends the program as usual."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is the signal's
        # From a thread: this one may be inside stop.wait(), holding the very lock that set() needs.
        threading.Thread(target=stop.set).start()
        _restore(before)

    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        _restore(before)


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _report(shipped: Shipped) -> dict[str, Any]:
    libraries = {
        model: {"library": library.name, "run_id": library.run_id, "url": library.url}
        for model, library in shipped.libraries.items()
        if library.exists()
    }
    return {**vars(shipped), "libraries": libraries}


def _text(report: dict[str, Any]) -> str:
    moved = f"{report['samples']:,} samples with {report['entries']:,} entries"
    notes = {
        "unfinished frames of killed workers were passed over": report["torn"],
        "segments are damaged; they are kept in quarantine/": report["quarantined"],
        "segments are still being written": report["still_open"],
        **{f"samples were dropped by the workers so far: {why}": n for why, n in report["dropped"].items()},
    }
    lines = [
        f"{report['segments']:,} segments shipped: {moved}.",
        *(f"{number:,} {what}." for what, number in notes.items() if number),
        *(
            f"See: foveal library show {lib['library']}, or {lib['url']}"
            for lib in report["libraries"].values()
        ),
    ]
    return "\n".join(lines)
