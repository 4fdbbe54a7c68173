"""``foveal pack``: an audited archive from a plain model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from foveal.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("pack")(pack)


def pack(  # noqa: PLR0917 - every parameter is an option of the command
    weights: Annotated[
        Path,
        typer.Option(
            help="What torch.save(model.state_dict(), ...) wrote; of kind onnx, and of segmentation without "
            "a model file, the .onnx file."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT.mar", help="The archive to write.")],
    model_file: Annotated[
        Path | None, typer.Option(help="Python file that defines the network; none of kind onnx.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="What it is: vision, signal, audio or volume; segmentation; or onnx.")
    ] = "vision",
    name: Annotated[str | None, typer.Option(help="Name it is served under; OUT's by default.")] = None,
    size: Annotated[str | None, typer.Option(help="Input size: 96, or a side per axis: H,W.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Input channels.")] = None,
    mean: Annotated[str | None, typer.Option(help="Mean per channel, of values in 0..1: a,b,c.")] = None,
    std: Annotated[str | None, typer.Option(help="Standard deviation per channel: a,b,c.")] = None,
    rate: Annotated[float | None, typer.Option(help="Steps per second of traces and sounds.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Class names in order: a,b,c, or a file of lines.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A model-config.yaml to start from.")] = None,
    model_class: Annotated[
        str | None, typer.Option(help="Class or function of the model file that is the network.")
    ] = None,
    extra_files: Annotated[
        str | None, typer.Option(help="Files that the model file imports: a.py,b.py.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Build a TorchServe archive that notes what its model looks at.

    The archive is tried before it is written: it is loaded, and runs once where --size is known.
    """
    from foveal.archives.mar import archive_sha256, model_name  # noqa: PLC0415 - brings torch
    from foveal.archives.pack import pack as build  # noqa: PLC0415

    archive = build(
        kind,
        model_file,
        weights,
        out,
        name=name,
        size=parse_size(size),
        channels=channels,
        mean=parse_numbers(mean, "--mean"),
        std=parse_numbers(std, "--std"),
        rate=rate,
        labels=parse_labels(labels),
        config=read_config(config),
        model_class=model_class,
        extra_files=[Path(part) for part in split(extra_files)],
    )
    report = {"archive": str(archive), "name": model_name(archive), "sha256": archive_sha256(archive)}
    typer.echo(
        json.dumps(report, indent=2)
        if as_json
        else "{archive}: model {name}, sha256 {sha256}".format(**report)
    )


def split(text: str | None) -> list[str]:
    """Split at commas, leaving out what is empty."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_size(text: str | None) -> tuple[int, ...] | None:
    """Read ``96``, or a side per axis."""
    parts = split(text)
    if not parts:
        return None
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(
            f"--size {text} is no size", "Give one side such as 96, or height and width such as 64,96"
        )
    return tuple(map(int, parts))


def parse_numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """Read numbers with commas between them."""
    try:
        return tuple(float(part) for part in split(text)) or None
    except ValueError as error:
        raise UsageError(
            f"{option} {text} holds something that is no number", "Give numbers such as 0.5,0.5,0.5"
        ) from error


def parse_labels(text: str | None) -> tuple[str, ...]:
    """Read class names: with commas between them, or a file: one a line, or TorchServe's JSON."""
    path = Path(text) if text else None
    if path is None or not path.is_file():
        return tuple(split(text))
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return tuple(line.strip() for line in content.splitlines() if line.strip())
    from foveal.archives.model import ordered_labels  # noqa: PLC0415 - brings torch

    try:
        return ordered_labels(json.loads(content))
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{path} is no index_to_name.json ({error})", 'Write {"0": "first class", ...}'
        ) from error


def read_config(path: Path | None) -> dict[str, Any]:
    """Read a model-config.yaml."""
    if path is None:
        return {}
    import yaml  # noqa: PLC0415 - only where a file is given

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{path} cannot be read as YAML ({reason})", "Check --config") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no settings", "See model_store/README.md for an example")
    return content
