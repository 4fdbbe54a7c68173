"""``foveal ship``: from the spool into the libraries."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
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
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="With --follow: serve Prometheus metrics there; 0 is any."),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address of the metrics; they need no password.")
    ] = "127.0.0.1",
    retain_days: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="With --follow: erase production samples older than that."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Move what the serving workers saw from SPOOL into the library, exactly once.

    It may be stopped and started at any time, and so may the workers and MLflow.
    """
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415
    from foveal.shipper import Shipped  # noqa: PLC0415
    from foveal.shipper import ship as run  # noqa: PLC0415

    _check(follow, {"--metrics-port": metrics_port, "--retain-days": retain_days})
    quiet()
    target = None if library is None else Library(library)
    if follow:
        shipped = Shipped()
        measured = _measured(spool, shipped, metrics_port, metrics_host)
        with _until_stopped() as stop, measured, _kept(shipped, retain_days):
            run(spool, target, follow=True, stop=stop, shipped=shipped)
    else:
        with reporting() as progress:
            shipped = run(spool, target, progress=lambda model, *state: progress(f"shipping {model}", *state))
    report = _report(shipped)
    typer.echo(json.dumps(report) if as_json else _text(report))


def _check(follow: bool, given: Mapping[str, float | None]) -> None:
    """Refuse options that mean nothing to a shipper that ends."""
    for option, value in given.items():
        if value is not None and not follow:
            raise UsageError(f"{option} is for a shipper that goes on", "Add --follow")


def _kept(shipped: Shipped, days: float | None) -> AbstractContextManager[None]:
    """Keep samples for so many days where a number is given, else for ever."""
    from foveal.commands.retaining import retaining  # noqa: PLC0415 - start-up stays light

    return nullcontext() if days is None else retaining(shipped, days)


def _measured(spool: Path, shipped: Shipped, port: int | None, host: str) -> AbstractContextManager[object]:
    """Serve the shipper's metrics where a port is given."""
    return nullcontext() if port is None else _announced(spool, shipped, port, host)


@contextmanager
def _announced(spool: Path, shipped: Shipped, port: int, host: str) -> Iterator[None]:
    """Serve the shipper's metrics and say where."""
    from foveal.monitoring.endpoint import metrics_served  # noqa: PLC0415

    with metrics_served(spool, shipped, port, host) as url:
        typer.echo(f"Metrics: {url}", err=True)
        yield


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
    alarms = {
        model: {"raised_at": alarm.raised_at, "seen": alarm.seen, "evidence": round(alarm.power, 3)}
        for model, alarm in shipped.alarms.items()
    }
    return {**vars(shipped), "libraries": libraries, "alarms": alarms}


def _text(report: dict[str, Any]) -> str:
    moved = f"{report['samples']:,} samples with {report['entries']:,} entries"
    notes = {
        "unfinished frames of killed workers were passed over": report["torn"],
        "segments are damaged; they are kept in quarantine/": report["quarantined"],
        "segments are still being written": report["still_open"],
        "passes failed because MLflow or the disk did": report["errors"],
        **{f"samples were dropped by the workers so far: {why}": n for why, n in report["dropped"].items()},
    }
    lines = [
        f"{report['segments']:,} segments shipped: {moved}.",
        *(f"{number:,} {what}." for what, number in notes.items() if number),
        *(
            f"Production of {model} is unlike training since its sample {alarm['raised_at']:,}: audit it."
            for model, alarm in report["alarms"].items()
            if alarm["raised_at"] is not None
        ),
        *(
            f"See: foveal library show {lib['library']}, or {lib['url']}"
            for lib in report["libraries"].values()
        ),
    ]
    return "\n".join(lines)
