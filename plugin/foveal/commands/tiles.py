"""``foveal tiles``: what a model looks at in an image far larger than it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal.archives.model import AuditedModel
    from foveal.explaining.tiled import Tiled
    from foveal.samples.large import LargeImage

#: Longer side of the picture that is written.
_SHOWN = 1536
#: Rows that are read at a time for it.
_BAND = 512


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("tiles")(tiles)


def tiles(
    model: Annotated[
        str,
        typer.Argument(help="A .mar, .onnx, .pt or .pt2, models:/NAME/VERSION, or python:module:factory."),
    ],
    image: Annotated[Path, typer.Argument(help="The image: a tiled TIFF of any size, or another format.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")],
    tile: Annotated[
        int | None, typer.Option(min=2, help="Side of a tile in pixels; by default what the model takes.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(min=0, help="Pixels that tiles share; by default a quarter of a tile.")
    ] = None,
    target: Annotated[
        int | None, typer.Option(min=0, help="Number of the class; by default the most probable one.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="Attribution method (see `foveal methods`); by default the model's own."),
    ] = None,
    layer: Annotated[str, typer.Option(help="Layer whose grid carries the map.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Show what MODEL looks at in a large IMAGE, tile by tile; the tiles' maps are put together.

    Writes STEM.npy (the raw map of the whole image), STEM.png (a small picture with the map) and STEM.json
    (prediction, windows in the image's own pixels, the score of every tile).
    """
    from foveal.archives.model import load_model  # noqa: PLC0415 - start-up stays light
    from foveal.explaining.tiled import explain_tiled  # noqa: PLC0415
    from foveal.samples.large import OpenImage  # noqa: PLC0415

    loaded = load_model(model)
    with OpenImage(image) as opened:
        found = explain_tiled(
            loaded, opened, tile=tile, overlap=overlap, target=target, method=method, layer=layer
        )
        report = _write(loaded, image, opened, found, out)
    typer.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _line(report))


def _write(model: AuditedModel, path: Path, image: LargeImage, found: Tiled, out: Path) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415 - start-up stays light

    out.mkdir(parents=True, exist_ok=True)
    files = {kind: str(out / f"{path.stem}.{kind}") for kind in ("npy", "png", "json")}
    np.save(files["npy"], found.map)
    _picture(image, found).save(files["png"])
    report = _report(model, path, image, found) | {"files": files}
    Path(files["json"]).write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
    return report


def _report(model: AuditedModel, path: Path, image: LargeImage, found: Tiled) -> dict[str, Any]:
    label = model.labels[found.target] if found.target < len(model.labels) else None
    return {
        "sample": path.name,
        "shape": list(image.shape),
        "prediction": {
            "class": found.target,
            "label": label,
            "probability": round(float(found.probabilities[found.target]), 6),
        },
        "windows": [{"window": list(one.window), "score": round(one.score, 6)} for one in found.windows],
        "tiles": [{"window": list(window), "probability": round(score, 6)} for window, score in found.tiles],
    }


def _picture(image: LargeImage, found: Tiled) -> Any:  # noqa: ANN401 - Pillow's, not imported at start-up
    """Draw the map over the image, both small; the image is read strip by strip."""
    import numpy as np  # noqa: PLC0415 - start-up stays light
    from PIL import ImageDraw  # noqa: PLC0415

    from foveal.crops import enlarge  # noqa: PLC0415
    from foveal.samples.depicting import draw_small  # noqa: PLC0415

    height, width, _ = image.shape
    step = max(1, -(-max(height, width) // _SHOWN))
    band = step * max(1, _BAND // step)  # so that tiles of the file are unpacked once or twice, not per row
    strips = [
        image.read((top, 0, min(top + band, height), width))[::step, ::step] for top in range(0, height, band)
    ]
    small = np.concatenate(strips)
    picture = draw_small(small, enlarge(found.map, small.shape[:2]), (), _SHOWN)
    draw = ImageDraw.Draw(picture)
    for number, one in enumerate(found.windows, start=1):
        y0, x0, y1, x1 = (edge // step for edge in one.window)
        draw.rectangle((x0, y0, x1, y1), outline="white", width=2)
        draw.text((x0 + 4, y0 + 2), str(number), fill="white", stroke_width=2, stroke_fill="black")
    return picture


def _line(report: dict[str, Any]) -> str:
    prediction = report["prediction"]
    name = prediction["label"] or f"class {prediction['class']}"
    places = len(report["windows"])
    return (
        f"{report['sample']}: {name} ({prediction['probability']:.2f}), {len(report['tiles'])} tiles, "
        f"{places} window{'' if places == 1 else 's'} -> {report['files']['png']}"
    )
