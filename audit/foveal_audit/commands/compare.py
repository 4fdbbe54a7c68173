"""``foveal compare``: attribution methods held against a known truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from foveal.archives.model import AuditedModel
    from foveal_audit.comparing.cases import Cases
    from foveal_audit.comparing.results import Result
    from foveal_audit.comparing.running import Scores
    from foveal_audit.comparing.truth import TruthOf


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("compare")(compare)


def compare(  # noqa: PLR0917 - every parameter is an option of the command
    model: Annotated[
        str,
        typer.Argument(help="A .mar, .onnx, .pt or .pt2, models:/NAME/VERSION, or python:module:factory."),
    ],
    data: Annotated[Path, typer.Argument(help="A folder, or a CSV manifest with a path column.")],
    truth: Annotated[
        Path, typer.Option(metavar="MASKS", help="Folder with a mask per sample, or CSV of boxes.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method, or all; may be repeated. By default those of one backward at most."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer, or auto; may be repeated. By default one per resolution."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="top, class:K, LAYER:INDEX, or label: the class that DATA gives.")
    ] = "top",
    truth_label: Annotated[str | None, typer.Option(help="Take only the boxes of this label.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="An option of the methods; repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Samples at most, evenly spread.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Pixels by which pointing may miss; else 3% of a side.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="Data set of training samples, for methods that need them.")
    ] = None,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness/--no-faithfulness", help="Measure insertion and deletion.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Source of all chance.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Measure how well each method finds what MODEL used in DATA, layer by layer.

    Writes compare.json (all values), compare.csv and compare.html to DIR.
    """
    from foveal.archives import load_model  # noqa: PLC0415 - start-up stays light
    from foveal_audit.comparing.results import as_record, sum_up  # noqa: PLC0415
    from foveal_audit.comparing.truth import read_truth  # noqa: PLC0415
    from foveal_audit.comparing.writing import write_comparison  # noqa: PLC0415

    audited = load_model(model)
    settings = {"target": target, "tolerance": tolerance, "seed": seed, "options": list(option or ())}
    asked = _Asked(tuple(method or ()), tuple(layer or ()), limit, training, faithfulness)
    known, scores = _measure(audited, data, read_truth(truth, truth_label), asked, settings)
    results = sum_up(scores, seed)
    facts = _facts(audited, data, truth, known) | settings
    record = as_record(facts, [case.name for case in known.cases], scores, results)
    files = {kind: str(file) for kind, file in write_comparison(out, record, results).items()}
    if as_json:
        typer.echo(json.dumps({**record, "files": files}, indent=1))
    else:
        _show(results, len(known.cases), files["html"])


class _Asked(NamedTuple):
    """What the command line asks for, apart from what a report repeats."""

    methods: tuple[str, ...]
    layers: tuple[str, ...]
    limit: int | None
    training: Path | None
    faithful: bool


def _measure(
    model: AuditedModel, data: Path, truth: TruthOf, asked: _Asked, settings: dict[str, Any]
) -> tuple[Cases, list[Scores]]:
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal.explaining.requests import load_training, read_options  # noqa: PLC0415
    from foveal_audit.comparing.cases import LABEL, load_cases  # noqa: PLC0415
    from foveal_audit.comparing.running import (  # noqa: PLC0415
        Question,
        choose_methods,
        compare,
        contenders,
    )
    from foveal_audit.reproducible import one_thread  # noqa: PLC0415

    methods = choose_methods(asked.methods)
    question = Question(
        target=settings["target"],
        tolerance=settings["tolerance"],
        faithful=asked.faithful,
        seed=settings["seed"],
        training=load_training(model, asked.training) if asked.training else None,
        options=read_options(settings["options"], methods) if settings["options"] else {},
    )
    with reporting() as progress, one_thread():
        labelled = question.target == LABEL
        known = load_cases(model, data, truth, limit=asked.limit, labelled=labelled, progress=progress)
        listed = contenders(model.module, known.cases[0].x[None], methods, asked.layers)
        return known, compare(model.module, known.cases, listed, question, progress)


def _facts(model: AuditedModel, data: Path, truth: Path, known: Cases) -> dict[str, Any]:
    from foveal import __version__  # noqa: PLC0415

    return {
        "model": model.name,
        "model_sha256": model.sha256,
        "data": str(data),
        "truth": str(truth),
        "unknown": len(known.unknown),
        "trivial": len(known.trivial),
        "foveal": __version__,
    }


def _show(results: Sequence[Result], samples: int, page: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - start-up stays light
    from rich.table import Table  # noqa: PLC0415

    from foveal_audit.comparing.writing import in_words  # noqa: PLC0415

    shown = list(dict.fromkeys(name for one in results for name in one.measures))
    table = Table(title=f"{samples} samples; mean (95% interval)")
    for name in ("method", "layer", "sanity", *shown):
        table.add_column(name)
    for one in results:
        figures = [in_words(one.measures[name]) if name in one.measures else "" for name in shown]
        table.add_row(one.method, one.layer, one.sanity, *figures)
    console = Console()
    console.print(table)
    for one in results:
        if one.refused:
            console.print(f"{one.method} at {one.layer}: {one.refused}", markup=False, highlight=False)
    console.print(f"page  {page}", markup=False, highlight=False, soft_wrap=True)
