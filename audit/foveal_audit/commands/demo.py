"""``foveal demo``: the whole main job on this machine, on a study whose truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal_audit.demo.kinds import DEFAULT, KINDS, get_study

if TYPE_CHECKING:
    from foveal_audit.demo.running import DemoResult
    from foveal_audit.demo.study import DemoStudy


class Study(str, Enum):
    """The studies that a demo can make."""

    STANDARD = "standard"
    NULL = "null"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to work in.")] = Path("foveal-demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples and features.")] = False,
    kind: Annotated[str, typer.Option(help=f"What the study is made of: {', '.join(KINDS)}.")] = DEFAULT,
    study: Annotated[Study, typer.Option(help="null: the mark is there but tells nothing.")] = Study.STANDARD,
    seed: Annotated[int, typer.Option(min=0, help="Source of all chance.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Train, serve, observe and audit a made-up study, and hold what was found against what was planted.

    Uses a real TorchServe and a real MLflow server on free loopback ports; nothing is left running.
    Running it again does no work twice.
    """
    from foveal.library.connection import quiet  # noqa: PLC0415 - start-up stays light
    from foveal_audit.demo.running import run_demo  # noqa: PLC0415

    quiet()
    about = get_study(kind)
    result = run_demo(out, about, about.quick if quick else about.full, study.value, seed)
    told = Told(result, about, study.value)
    if as_json:
        typer.echo(json.dumps(told.as_record(), indent=1))
    else:
        told.show()


@dataclass(frozen=True)
class Told:
    """What is said about a demo that has run, of which study and variant."""

    result: DemoResult
    about: DemoStudy[Any]
    study: str

    def as_record(self) -> dict[str, Any]:
        """Say it for programs."""
        result, said = self.result, self._said()
        compared = [{"planted": planted, "found": found} for planted, found in self._rows()]
        paths = {"bundle": str(result.bundle), "report": str(result.bundle / "report.html")}
        told = {"headline": result.findings.summary.headline, "comparison": compared, **paths}
        return told | ({"said": said} if said else {})

    def show(self) -> None:
        """Say it for people."""
        from rich.console import Console  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        result, said = self.result, self._said()
        shown = Table("planted", "found", title=result.findings.summary.headline, title_justify="left")
        for planted, found in self._rows():
            shown.add_row(planted, found)
        Console().print(shown)
        if said:
            typer.echo(said)
        typer.echo(f"Report: {result.bundle / 'report.html'}\n\nTo look further:")
        for line in self._next_commands():
            typer.echo(f"  {line}")

    def _rows(self) -> list[tuple[str, str]]:
        from foveal_audit.demo.comparing import table  # noqa: PLC0415

        return table(self.result.comparison, self.study, self.about.words)

    def _said(self) -> str:
        from foveal_audit.demo.comparing import said  # noqa: PLC0415

        return said(self.result.comparison, self.study, self.about.words)

    def _next_commands(self) -> list[str]:
        result, uri = self.result, self.result.tracking_uri
        return [
            f"foveal verify {result.bundle}",
            f"MLFLOW_TRACKING_URI={uri} foveal library show {self.about.name}",
            f"mlflow ui --backend-store-uri {uri}",
            f"foveal explain {result.archive} {result.example} -o explained",
        ]
