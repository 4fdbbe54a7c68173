"""Why one decision was made: what was kept of one request or sample, laid out where it was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from PIL import Image, ImageDraw

from foveal.library import Library
from foveal.library.opinions import Standing
from foveal_audit.bundle.schema import Assessment, Findings
from foveal_audit.explorer.planes import PLANES, Plane

LONGEST = 420
#: What is shown of a sample: all but its activations, which are many.
_COLUMNS = ["sample", "row", "source", "time", "predicted", "scores", "model_sha256", "shape",
            "label", "metadata", "origin", "sample_sha256"]  # fmt: skip
_FIRM = (118, 118, 118)


@dataclass(frozen=True)
class Decision:
    """One row of a request.

    Attributes
    ----------
    sample
        What was recorded, as a row of the library.
    entries
        Its entries, as rows of the library, the strongest first.
    """

    sample: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]

    def scores(self, labels: Sequence[str]) -> list[tuple[str, float, float]]:
        """Give class, score and probability, the most probable first."""
        raw = np.asarray(self.sample["scores"], np.float64)
        if not len(raw):
            return []
        spread = np.exp(raw - raw.max())
        shares = spread / spread.sum()
        names = [labels[at] if at < len(labels) else f"class {at}" for at in range(len(raw))]
        return [(names[at], float(raw[at]), float(shares[at])) for at in np.argsort(-raw)]


@dataclass(frozen=True)
class Response:
    """One window that the model responded to, and what is known of what it shows.

    Attributes
    ----------
    row
        The entry, as a row of the library.
    facets
        The facet that it belongs to, or all that it may belong to: an audit lists 200 entries of each.
    certain
        Whether the audit lists it.
    said
        What experts say of the facets, or of the feature.
    """

    row: Mapping[str, Any]
    facets: Sequence[Assessment]
    certain: bool
    said: Sequence[Standing]


def responses(decision: Decision, findings: Findings | None, said: Mapping[str, Standing]) -> list[Response]:
    """Say of each window of a decision what the audit and experts think of it.

    Parameters
    ----------
    findings
        The audit; None where there is none.
    said
        What is thought of every subject.
    """
    facets = findings.assessments if findings else []
    listed = {ref.id: one for one in facets for ref in one.entries if ref.id}
    made = []
    for row in decision.entries:
        own = listed.get(row["id"])
        likely = [own] if own else [one for one in facets if one.feature == row["feature"]]
        named = [said[key] for key in (*(one.id for one in likely), row["feature"]) if key in said]
        made.append(Response(row, likely, own is not None, named))
    return made


def decisions(library: Library, sample: str) -> list[Decision]:
    """Find what is known of a request id or sample, one decision per row."""
    samples = library.samples(columns=_COLUMNS)
    own = samples.filter(pc.equal(samples["sample"], sample)).to_pylist()
    if not own:
        return []
    rows = library.query(sample=sample).table().to_pylist()
    rows.sort(key=lambda row: (-row["share"], row["id"]))
    return [
        Decision(one, [row for row in rows if (row["row"], row["source"]) == (one["row"], one["source"])])
        for one in own
    ]


def frame(decision: Decision, features: Sequence[str] = ()) -> Image.Image | None:
    """Lay the kept windows where they were seen, with their maps; what was not kept stays grey.

    Parameters
    ----------
    features
        Only entries of these.
    """
    shape = decision.sample["shape"]
    plane = PLANES.get(len(shape) - 1)
    if plane is None or not all(shape[:-1]):
        return None
    height, width = plane.sides(shape)
    scale = LONGEST / max(height, width)
    canvas = Image.new("RGB", (max(1, round(width * scale)), max(1, round(height * scale))), _FIRM)
    for row in reversed(decision.entries):
        if len(row["window"]) == 2 * (len(shape) - 1) and (not features or row["feature"] in features):
            _lay(canvas, row, [round(side * scale) for side in plane.box(row["window"], height)], plane)
    return canvas


def _lay(canvas: Image.Image, row: Mapping[str, Any], box: Sequence[int], plane: Plane) -> None:
    y0, x0, y1, x1 = box
    picture = plane.picture(row["crop"], row["id"])
    size = (max(1, x1 - x0), max(1, y1 - y0))
    if picture is None or size[0] > 2 * LONGEST or size[1] > 2 * LONGEST:
        return
    canvas.paste(picture.convert("RGB").resize(size, plane.scaling), (x0, y0))
    layer = plane.layer(row["map"], row["map_shape"], picture.size)
    if layer is not None:
        fitted = layer.resize(size, Image.Resampling.BILINEAR)
        faint = fitted.getchannel("A").point(lambda value: value * 0.55)
        canvas.paste(fitted.convert("RGB"), (x0, y0), faint)
    ImageDraw.Draw(canvas).rectangle((x0, y0, x1 - 1, y1 - 1), outline=(255, 255, 255))
