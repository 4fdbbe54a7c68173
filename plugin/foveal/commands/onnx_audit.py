"""``foveal onnx-audit``: an ONNX file that explains itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.errors import EnvironmentFault, UsageError, shown

if TYPE_CHECKING:
    from foveal.onnx_graphs.auditing import Request


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("onnx-audit")(onnx_audit)


def onnx_audit(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL.onnx", help="A classifier or segmentation network.")
    ],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="AUDITED.onnx", help="Where to write.")],
    layer: Annotated[
        str,
        typer.Option(
            metavar="auto|TENSOR",
            help="Where maps are taken: the last tensor with positions (of a segmentation network, the last "
            "features before its logits), or this one.",
        ),
    ] = "auto",
    top: Annotated[int, typer.Option(min=1, help="Maps for so many of the likeliest classes.")] = 3,
    nodes: Annotated[
        str | None, typer.Option(metavar="TENSOR:COUNT", help="Maps also for the nodes that speak loudest.")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(metavar="C,H,W", help="Shape of one sample, where the file leaves it open.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Write AUDITED.onnx: the same network, which also gives maps of what its scores rest on.

    Beside the scores: foveal_class_ids and foveal_maps, with --nodes also foveal_node_ids,
    foveal_node_activations and foveal_node_maps. It is checked against the original before it is written.

    Of a segmentation network also foveal_scores: how much of every class was found. MODEL.yaml beside it
    may say which class stands for nothing found: model: {segmentation: {background: 0}}.
    """
    with _installed():
        report = _audit(model, out, _request(model, layer, top, nodes, shape))
    typer.echo(json.dumps(report, indent=2) if as_json else _lines(report))


@contextmanager
def _installed() -> Iterator[None]:
    """Say what to install where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        fault = f"Package {error.name!r} is not installed"
        raise EnvironmentFault(fault, "Install it with pip install 'foveal[audit]'") from error


def _request(path: Path, layer: str, top: int, nodes: str | None, shape: str | None) -> Request:
    from foveal.onnx_graphs.auditing import Request  # noqa: PLC0415 - start-up stays light

    name, _, count = (nodes or ":1").rpartition(":")
    if nodes and not (name and count.isdigit() and int(count)):
        raise typer.BadParameter(f"--nodes {nodes!r} is not TENSOR:COUNT")
    sides = None if shape is None else _shape(shape)
    return Request(layer, top, name, int(count), sides, _background(path))


def _background(path: Path) -> int | None:
    """Read which class stands for nothing found, where a file beside the network says so."""
    if not path.with_suffix(".yaml").is_file():
        return 0
    from foveal.archives.bare_files import settings_beside  # noqa: PLC0415 - brings torch
    from foveal.segmenting.settings import read_section  # noqa: PLC0415

    found = read_section(settings_beside(path))
    return 0 if found is None else found.background


def _shape(text: str) -> tuple[int, ...]:
    sides = text.split(",")
    if not all(side.isdigit() and int(side) for side in sides):
        raise typer.BadParameter(f"--shape {text!r} is not C,H,W")
    return tuple(int(side) for side in sides)


def _audit(path: Path, out: Path, request: Request) -> dict[str, Any]:
    from foveal.onnx_graphs.auditing import audited  # noqa: PLC0415 - start-up stays light
    from foveal.onnx_graphs.checking import checked  # noqa: PLC0415
    from foveal.onnx_graphs.perturbing import with_cost  # noqa: PLC0415
    from foveal.onnx_graphs.reading import load  # noqa: PLC0415
    from foveal.onnx_graphs.saving import save  # noqa: PLC0415

    original = load(path)
    try:
        made, description = audited(original, request)
        check = checked(original, made, description)
    except UsageError as error:
        raise with_cost(error, original, request.sample_shape, shown(path)) from error
    save(made, out)
    return {"file": str(out), **asdict(description), "checked": asdict(check)}


def _lines(report: dict[str, Any]) -> str:
    grid = "x".join(str(side) for side in report["grid"])
    check, nodes = report["checked"], report["nodes"]
    scores = "bit-identical" if check["identical"] else f"within {check['scores']:.0e} of the original's"
    also = f", and for {report['node_count']} nodes of {nodes}" if nodes else ""
    return (
        f"{report['file']}: maps {grid} at {report['layer']} for {report['top']} classes{also}\n"
        f"checked: scores {scores}; maps {_agreement(check)}"
    )


def _agreement(check: dict[str, Any]) -> str:
    """Say how maps compare with finite differences, and those of a sample between batches."""
    ways = {"with finite differences": check["differences"], "between batch sizes": check["batches"]}
    told = [f"agree {way} to {share:.0e} of their range" for way, share in ways.items() if share is not None]
    if check["differences"] is None:
        told.append("are not compared with finite differences, as the scores hardly depend on this layer")
    return ", ".join(told)
