"""``foveal library list|show``: what the libraries hold."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.commands import annotations as experts
from foveal.commands import lifecycle

if TYPE_CHECKING:
    from foveal.library import Library

_AsJson = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
_FEATURES_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    about = "Look at feature libraries, keep them in order, take them elsewhere."
    commands = typer.Typer(help=about, no_args_is_help=True)
    commands.command("list")(list_libraries)
    commands.command("show")(show)
    lifecycle.register(commands)
    experts.register(commands)
    app.add_typer(commands, name="library")


def list_libraries(as_json: _AsJson = False) -> None:
    """List the libraries of the MLflow server (MLFLOW_TRACKING_URI)."""
    from foveal.library import Library, library_names  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import Connection, quiet  # noqa: PLC0415

    quiet()
    reports = [_brief(Library(name)) for name in library_names()]
    place = Connection().place
    if as_json:
        typer.echo(json.dumps({"tracking_uri": place, "libraries": reports}))
        return
    lines = [f"{report['name']}: {_numbers(report)}" for report in reports]
    typer.echo("\n".join(lines) or f"No library at {place}. Make one with: foveal collect or foveal ship")


def show(
    name: Annotated[str, typer.Argument(help="Name of the library.")],
    as_json: _AsJson = False,
) -> None:
    """Show what the library NAME holds."""
    from foveal.library import Library  # noqa: PLC0415 - start-up stays light
    from foveal.library.connection import quiet  # noqa: PLC0415

    quiet()
    report = _full(Library(name))
    typer.echo(json.dumps(report) if as_json else _text(report))


def _brief(library: Library) -> dict[str, Any]:
    counts = library.counts()
    return {
        "name": library.name,
        "samples": {source: count.samples for source, count in counts.items()},
        "entries": {source: count.entries for source, count in counts.items()},
        "run_id": library.run_id,
        "url": library.url,
    }


def _full(library: Library) -> dict[str, Any]:
    """Count what counts, each sample once, unlike the quick counts of the list."""
    samples = library.samples(columns=["source", "model_sha256", "config_sha256"])
    seen_by = zip(samples["model_sha256"].to_pylist(), samples["config_sha256"].to_pylist(), strict=True)
    return {
        "name": library.name,
        "tracking_uri": library.uri,
        "experiment_id": library.experiment_id,
        "run_id": library.run_id,
        "url": library.url,
        "samples": _counted(samples["source"].to_pylist()),
        "entries": _counted(library.entries(columns=["source"])["source"].to_pylist()),
        "features": library.features(),
        "losses": library.losses(),
        "models": [
            {"model_sha256": model, "config_sha256": config, "samples": count}
            for (model, config), count in sorted(Counter(seen_by).items())
        ],
        "shards": library.shards(),
    }


def _counted(values: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _numbers(report: dict[str, Any]) -> str:
    samples = ", ".join(f"{count:,} {source}" for source, count in report["samples"].items()) or "no"
    return f"{samples} samples, {sum(report['entries'].values()):,} entries"


def _text(report: dict[str, Any]) -> str:
    features = sorted(report["features"].items(), key=lambda pair: -pair[1])
    more = len(features) - _FEATURES_SHOWN
    lines = [
        f"{report['name']}: {_numbers(report)} of {len(features):,} features",
        *(f"{count:>9,}  {feature}" for feature, count in features[:_FEATURES_SHOWN]),
        *([f"{more:>9,}  features more: --json lists them all"] if more > 0 else []),
        *(f"lost on the way: {count:,} {reason}" for reason, count in report["losses"].items()),
        *(_seen_by(seen) for seen in report["models"]),
        f"{len(report['shards']):,} shards at {report['url']}",
    ]
    return "\n".join(lines)


def _seen_by(seen: dict[str, Any]) -> str:
    model, config = seen["model_sha256"][:12], seen["config_sha256"][:12]
    return f"{seen['samples']:,} samples seen by model {model}, configuration {config}"
