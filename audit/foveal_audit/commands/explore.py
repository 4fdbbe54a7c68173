"""``foveal explore``: the live explorer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from foveal.errors import EnvironmentFault


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("explore")(explore)


def explore(
    bundle: Annotated[
        Path | None, typer.Argument(help="Folder of an audit; the library's newest one otherwise.")
    ] = None,
    library: Annotated[
        str | None, typer.Option(help="Name of the library; the bundle's own otherwise.", show_default=False)
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another audit to compare with; may be given again.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The audited model; the one that the audit names otherwise.", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; any free one otherwise.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Report the address as JSON.")] = False,
) -> None:
    """Look into an audit and its library in a browser, and say what you think of it.

    It answers on this machine only, to whoever has the printed address. Stop it with Ctrl-C.
    """
    _require()
    from foveal.library.connection import quiet  # noqa: PLC0415 - start-up stays light
    from foveal_audit.explorer.exhibits import open_exhibits  # noqa: PLC0415
    from foveal_audit.explorer.serving import serve  # noqa: PLC0415

    quiet()
    exhibits = open_exhibits(bundle, library, against or ())

    def ready(address: str) -> None:
        typer.echo(json.dumps({"address": address}) if as_json else f"Open {address}\nStop with Ctrl-C.")

    serve(exhibits, port, ready, model)


def _require() -> None:
    """Insist on what the explorer needs beside the audit."""
    try:
        import fastapi  # noqa: F401, PLC0415
        import uvicorn  # noqa: F401, PLC0415
    except ImportError as error:
        raise EnvironmentFault(
            f"The explorer needs {error.name}", "Run: pip install 'foveal[explore]'"
        ) from error
