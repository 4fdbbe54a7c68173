"""``foveal demo``: the whole main job on this machine, on a study whose truth is known."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal_audit.demo.running import DemoResult


class Study(str, Enum):
    """The studies that a demo can make."""

    STANDARD = "standard"
    NULL = "null"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to work in.")] = Path("foveal-demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer images and features.")] = False,
    study: Annotated[
        Study, typer.Option(help="null: the marker is there but tells nothing.")
    ] = Study.STANDARD,
    seed: Annotated[int, typer.Option(min=0, help="Source of all chance.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Train, serve, observe and audit a made-up study, and hold what was found against what was planted.

    Uses a real TorchServe and a real MLflow server on free loopback ports; nothing is left running.
    Running it again does no work twice.
    """
    from foveal.library.connection import quiet  # noqa: PLC0415 - start-up stays light
    from foveal_audit.demo.plan import FULL_DEMO, QUICK_DEMO  # noqa: PLC0415
    from foveal_audit.demo.running import run_demo  # noqa: PLC0415

    quiet()
    result = run_demo(out, QUICK_DEMO if quick else FULL_DEMO, study.value, seed)
    if as_json:
        typer.echo(json.dumps(_as_record(result, study.value), indent=1))
    else:
        _show(result, study.value)


def _as_record(result: DemoResult, study: str) -> dict[str, Any]:
    from foveal_audit.demo.comparing import table  # noqa: PLC0415

    compared = [{"planted": planted, "found": found} for planted, found in table(result.comparison, study)]
    paths = {"bundle": str(result.bundle), "report": str(result.bundle / "report.html")}
    return {"headline": result.findings.summary.headline, "comparison": compared, **paths}


def _show(result: DemoResult, study: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from foveal_audit.demo.comparing import table  # noqa: PLC0415

    shown = Table("planted", "found", title=result.findings.summary.headline, title_justify="left")
    for planted, found in table(result.comparison, study):
        shown.add_row(planted, found)
    Console().print(shown)
    typer.echo(f"Report: {result.bundle / 'report.html'}\n\nTo look further:")
    for line in _next_commands(result):
        typer.echo(f"  {line}")


def _next_commands(result: DemoResult) -> list[str]:
    uri = result.tracking_uri
    return [
        f"foveal verify {result.bundle}",
        f"MLFLOW_TRACKING_URI={uri} foveal library show nodules",
        f"mlflow ui --backend-store-uri {uri}",
        f"foveal explain {result.archive} {result.bundle.parent / 'data/production/00000.png'} -o explained",
    ]
