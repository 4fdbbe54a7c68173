"""``foveal explain``: maps, pictures and numbers for single samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain")(explain)


def explain(
    model: Annotated[str, typer.Argument(help="A .mar, models:/NAME/VERSION, or python:module:factory.")],
    samples: Annotated[list[Path], typer.Argument(metavar="SAMPLE...", help="Image files.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    method: Annotated[
        str | None, typer.Option(help="Attribution method; by default the model's own.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer whose grid carries the map.")] = None,
    target: Annotated[str, typer.Option(help="top, class:K or LAYER:INDEX.")] = "top",
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what MODEL looks at in each SAMPLE.

    Per sample: STEM.npy (the raw map), STEM.png (an overlay), STEM.json (prediction, boxes, timings).
    """
    from foveal.archives.model import load_model  # noqa: PLC0415 - start-up stays light
    from foveal.commands.progress import reporting  # noqa: PLC0415
    from foveal.explaining.files import unique_stems, write_explanation  # noqa: PLC0415
    from foveal.explaining.samples import SampleExplainer  # noqa: PLC0415

    reports = []
    explainer = SampleExplainer(load_model(model), method=method, layer=layer, target=target)
    with explainer, reporting() as report:
        for path, stem in zip(samples, unique_stems(samples), strict=True):
            reports.append(write_explanation(explainer.explain(path), explainer, out, stem))
            report("Explaining", len(reports), len(samples))
            if not as_json:
                typer.echo(_line(reports[-1]))
    if as_json:
        typer.echo(json.dumps(reports, indent=2, ensure_ascii=False))


def _line(report: dict[str, Any]) -> str:
    prediction, boxes = report["prediction"], report["boxes"]
    name = prediction["label"] or f"class {prediction['class']}"
    objects = "1 object" if len(boxes) == 1 else f"{len(boxes)} objects"
    return (
        f"{report['sample']}: {name} ({prediction['probability']:.2f}), {objects} -> {report['files']['png']}"
    )
