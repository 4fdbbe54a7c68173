"""``foveal explain``: maps, pictures and numbers for single samples."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal.explaining.comparison import Comparer
    from foveal.explaining.samples import SampleExplainer


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain")(explain)


def explain(
    model: Annotated[
        str,
        typer.Argument(help="A .mar, .onnx, .pt or .pt2, models:/NAME/VERSION, or python:module:factory."),
    ],
    samples: Annotated[list[Path], typer.Argument(metavar="SAMPLE...", help="Sample files.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    method: Annotated[
        str | None,
        typer.Option(help="Attribution method (see `foveal methods`); by default the model's own."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer whose grid carries the map.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="top (the default), class:K or LAYER:INDEX; again for several."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the method; again for several."),
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Samples for methods that need some.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds methods that draw.")] = 0,
    compare: Annotated[
        str | None, typer.Option(metavar="M,M,...", help="Methods to compare on a contact sheet as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what MODEL looks at in each SAMPLE.

    Per sample: STEM.npy (the raw map), STEM.png (an overlay), STEM.json (prediction, boxes, timings); with
    --compare also STEM.compare.png (contact sheet), STEM.compare.json and STEM.compare.npz (all raw maps).
    """
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.explaining.files import unique_stems  # noqa: PLC0415

    names = list(dict.fromkeys(filter(None, map(str.strip, (compare or "").split(",")))))
    asked = _Asked(model, method, layer, target or ["top"], option or [], training, seed, names)
    reports: list[dict[str, Any]] = []
    with ExitStack() as stack:
        explainer, comparer = asked.prepare(stack)
        report = stack.enter_context(reporting())
        for path, stem in zip(samples, unique_stems(samples), strict=True):
            reports.append(_write(explainer, comparer, path, out, stem))
            report("Explaining", len(reports), len(samples))
            if not as_json:
                typer.echo(_line(reports[-1]))
    if as_json:
        typer.echo(json.dumps(reports, indent=2, ensure_ascii=False))


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for, of all samples alike."""

    model: str
    method: str | None
    layer: str | None
    targets: list[str]
    options: list[str]
    training: Path | None
    seed: int
    compared: list[str]

    def prepare(self, stack: ExitStack) -> tuple[SampleExplainer, Comparer | None]:
        """Load the model and what explains it; nothing has been written when this finds a fault."""
        from foveal.archives.model import load_model  # noqa: PLC0415 - start-up stays light
        from foveal.attribution import get_method  # noqa: PLC0415
        from foveal.explaining.comparison import Comparer  # noqa: PLC0415
        from foveal.explaining.requests import load_training, read_options  # noqa: PLC0415
        from foveal.explaining.samples import SampleExplainer  # noqa: PLC0415

        loaded = load_model(self.model)
        method = self.method or loaded.config.method
        options = read_options(self.options, [get_method(name) for name in (method, *self.compared)])
        shared: dict[str, Any] = {
            "layer": self.layer,
            "targets": self.targets,
            "seed": self.seed,
            "training": None if self.training is None else load_training(loaded, self.training),
        }
        explainer = SampleExplainer(loaded, method=method, options=options[method], **shared)
        stack.push(explainer)
        if not self.compared:
            return explainer, None
        comparer = Comparer(loaded, self.compared, options=options, **shared)
        stack.push(comparer)
        return explainer, comparer


def _write(
    explainer: SampleExplainer, comparer: Comparer | None, path: Path, out: Path, stem: str
) -> dict[str, Any]:
    """Explain a sample, compare methods on it where that is asked for, and write it all."""
    from foveal.explaining.files import write_explanation  # noqa: PLC0415 - start-up stays light
    from foveal.explaining.sheets import write_comparison  # noqa: PLC0415

    explained = explainer.explain(path)
    report = write_explanation(explained, explainer, out, stem)
    if comparer is not None:
        comparison = comparer.compare(explained.x, explained.original)
        report["compare"] = write_comparison(comparison, explained, out, stem)
    return report


def _line(report: dict[str, Any]) -> str:
    prediction, boxes = report["prediction"], report["boxes"]
    name = prediction["label"] or f"class {prediction['class']}"
    objects = "1 object" if len(boxes) == 1 else f"{len(boxes)} objects"
    shown = report.get("compare", report)["files"]["png"]
    return f"{report['sample']}: {name} ({prediction['probability']:.2f}), {objects} -> {shown}"
