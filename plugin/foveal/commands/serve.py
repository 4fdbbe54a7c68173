"""``foveal serve``: TorchServe with safe settings, the shipper, and MLflow where none is set."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.commands.pack import split
from foveal.errors import EnvironmentFault

if TYPE_CHECKING:
    from foveal.servers import TorchServe
    from foveal.servers.process import ProcessGroup

_POLL_SECONDS = 0.5
_SHIPPER_PAUSE_SECONDS = 30.0
_TRACKING = "MLFLOW_TRACKING_URI"
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="A config.properties of yours, to go before ours."),
]
_Allowed = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Allow an unsafe setting of FILE; the refusal gives its name."),
]
_Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Any free port by default.")]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("serve")(serve)


def serve(  # noqa: PLR0917 - every parameter is an option of the command
    model_store: Annotated[Path, typer.Argument(help="Folder with the .mar files.")],
    models: Annotated[
        str | None, typer.Option(help="The archives to serve: a.mar,b.mar; all by default.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Holds the spool, the logs and the local MLflow.")
    ] = Path("foveal-serve"),
    spool: Annotated[Path | None, typer.Option(help="Folder of the spool; DIR/spool by default.")] = None,
    config: _Config = None,
    allow_unsafe: _Allowed = None,
    library: Annotated[
        str | None, typer.Option(help="One library for all models; their own by default.")
    ] = None,
    retain_days: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="DAYS", help="Erase production samples older than that, as time goes by."
        ),
    ] = None,
    inference_port: _Port = None,
    management_port: _Port = None,
    metrics_port: _Port = None,
    grpc_inference_port: _Port = None,
    grpc_management_port: _Port = None,
    mlflow_port: _Port = None,
    shipper_metrics_port: _Port = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Report the addresses as one line of JSON.")
    ] = False,
) -> None:
    """Serve the archives of MODEL_STORE on this machine and note what their models look at.

    Runs TorchServe, ships what the workers spool to the feature libraries, and starts a local MLflow server
    where MLFLOW_TRACKING_URI is not set. Stops all of it, and ships the rest, on Ctrl-C or SIGTERM. Unsafe
    settings of TorchServe are refused.
    """
    from foveal.servers import Ports, TorchServe, free_port, require_free  # noqa: PLC0415 - start-up stays light

    settings = _safe_settings(config, allow_unsafe or [])
    ports = Ports(inference_port, management_port, metrics_port, grpc_inference_port, grpc_management_port)
    place = _Place(folder.resolve(), (spool or folder / "spool").resolve())
    server = TorchServe(
        model_store, split(models) or None, spool=place.spool, logs=place.logs, ports=ports, settings=settings
    )
    server.check()
    measured = (
        free_port()
        if shipper_metrics_port is None
        else require_free(shipper_metrics_port, "--shipper-metrics-port")
    )
    place.spool.mkdir(parents=True, exist_ok=True)
    with _stopped_by_signals(), _tracking(place, mlflow_port):
        _run(server, _Shipper(place, library, measured, retain_days), place, as_json)
        _ship_the_rest(place, library)
    typer.echo("Stopped. What was spooled is in the library.", err=True)


@dataclass(frozen=True)
class _Place:
    """Where everything lies."""

    folder: Path
    spool: Path

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.folder / "logs"


def _safe_settings(config: Path | None, allowed: list[str]) -> dict[str, str]:
    """Read a user's settings, and refuse the unsafe ones."""
    from foveal.servers.configuration import only_loopback, read_properties  # noqa: PLC0415
    from foveal.servers.dangers import refuse  # noqa: PLC0415

    settings = {} if config is None else read_properties(config)
    excused = {"disable_token_authorization"} if only_loopback(settings) else set()
    inspected = {key: value for key, value in settings.items() if key not in excused}
    refuse(inspected, allowed, str(config))
    return settings


def _run(server: TorchServe, shipping: _Shipper, place: _Place, as_json: bool) -> None:
    """Serve until somebody stops it."""
    with shipping as shipper:
        typer.echo(f"Starting TorchServe with {', '.join(server.models)} ...", err=True)
        with server:
            _announce(_addresses(server, place) | {"shipper": shipper.metrics_url}, as_json)
            try:
                _watch(server, shipper)
            except KeyboardInterrupt:
                typer.echo("Stopping ...", err=True)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let every way of stopping arrive as KeyboardInterrupt; give the handlers back afterwards."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _STOPPING:  # one is enough: stopping itself is not to be interrupted
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    detached = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # nohup: the terminal's end is not meant
    numbers = [number for number in _STOPPING if not (detached and number == signal.SIGHUP)]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _tracking(place: _Place, port: int | None) -> Iterator[None]:
    """Run a local MLflow server where no tracking URI is set."""
    if os.environ.get(_TRACKING):
        yield
        return
    from foveal.servers import MlflowServer  # noqa: PLC0415

    typer.echo("Starting MLflow ...", err=True)
    with MlflowServer(place.folder / "mlflow", port) as server:
        os.environ[_TRACKING] = server.uri
        try:
            yield
        finally:
            del os.environ[_TRACKING]
    typer.echo(f"To work with its library: export {_TRACKING}={server.database_uri}", err=True)


class _Shipper:
    """The shipper in a process of its own: slow shipping never slows this one, and it is started again."""

    def __init__(
        self, place: _Place, library: str | None, metrics_port: int, retain_days: float | None = None
    ) -> None:
        self._place = place
        self._library = library
        self._retain_days = retain_days
        self._metrics_port = metrics_port
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self._group: ProcessGroup | None = None
        self._not_before = 0.0

    def __enter__(self) -> _Shipper:
        self.keep_running()
        return self

    def __exit__(self, *_: object) -> None:
        if self._group is not None:
            self._group.stop()

    def keep_running(self) -> None:
        """Start it where it does not run, but not over and over."""
        from foveal.servers.process import ProcessGroup  # noqa: PLC0415

        if (self._group is not None and self._group.running()) or time.monotonic() < self._not_before:
            return
        log = self._place.logs / "shipper.log"
        if self._group is not None:
            typer.echo(
                f"The shipper ended and is started again; requests wait in the spool. See {log}", err=True
            )
            self._group.stop()
        self._not_before = time.monotonic() + _SHIPPER_PAUSE_SECONDS
        self._group = ProcessGroup(self._command(), os.environ, self._place.folder, log)

    def _command(self) -> list[str]:
        """Give the command line."""
        named = ["--library", self._library] if self._library else []
        kept = [] if self._retain_days is None else ["--retain-days", str(self._retain_days)]
        options = ["--follow", "--metrics-port", str(self._metrics_port), *named, *kept]
        start = "from foveal.cli import main; main()"
        return [sys.executable, "-c", start, "ship", str(self._place.spool), *options]


def _watch(server: TorchServe, shipper: _Shipper) -> None:
    """Look after both until TorchServe ends, which it should not."""
    while server.running():
        shipper.keep_running()
        time.sleep(_POLL_SECONDS)
    raise EnvironmentFault("TorchServe ended by itself", f"Read the logs in {server.logs}, then start again")


def _addresses(server: TorchServe, place: _Place) -> dict[str, Any]:
    """Say where everything is."""
    from foveal.library.connection import mask_credentials  # noqa: PLC0415 - keeps the start light

    return {
        "predictions": {name: f"{server.inference_url}/predictions/{name}" for name in server.models},
        "management": server.management_url,
        "metrics": f"{server.metrics_url}/metrics",
        "mlflow": mask_credentials(os.environ[_TRACKING]),
        "spool": str(place.spool),
        "logs": str(place.logs),
        **({"keys": str(server.keys)} if server.keys else {}),
    }


def _announce(addresses: dict[str, Any], as_json: bool) -> None:
    """Print the addresses."""
    if as_json:
        typer.echo(json.dumps(addresses))
    else:
        rows = [("predictions", address) for address in addresses["predictions"].values()]
        rows += [(name, address) for name, address in addresses.items() if name != "predictions"]
        typer.echo("\n".join(f"{name:<12} {address}" for name, address in rows))
        typer.echo("Ctrl-C stops it and ships the rest.", err=True)
    sys.stdout.flush()


def _ship_the_rest(place: _Place, library: str | None) -> None:
    """Ship what the stopped workers left, while MLflow still runs."""
    from foveal.library import Library  # noqa: PLC0415 - heavy
    from foveal.shipper import ship  # noqa: PLC0415

    ship(place.spool, Library(library) if library else None)
