"""How libraries show themselves in notebooks: a few crops and numbers, in HTML that runs nothing."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from foveal.errors import UsageError
from foveal.samples.arrays import decode_crop
from foveal.samples.depicting import depict

if TYPE_CHECKING:
    from foveal.library.feature import FeatureLibrary
    from foveal.library.store import Library

_CROPS, _FEATURES, _SIDE = 9, 12, 72


def library_html(library: Library) -> str:
    """Show a library: what it holds, and its largest features.

    Parameters
    ----------
    library
        One that exists, or does not yet.
    """
    if not library.exists():
        return f"<p>Feature library <b>{escape(library.name)}</b>: not made yet.</p>"
    features = sorted(library.features().items(), key=lambda pair: -pair[1])
    rows = "".join(_row(name, f"{count:,}") for name, count in features[:_FEATURES])
    more = len(features) - _FEATURES
    rest = f"<p>and {more:,} more features</p>" if more > 0 else ""
    return (
        f"<p>Feature library <b>{escape(library.name)}</b></p>{_counts(library)}"
        f"<table><tr><th>feature</th><th>entries</th></tr>{rows}</table>{rest}"
    )


def feature_html(feature: FeatureLibrary) -> str:
    """Show a feature: the number of its entries, and a few of them drawn at random."""
    table = feature.query().drawn(_CROPS, 0, ["id", "sample", "activation", "crop"])
    crops = "".join(
        _crop(row["crop"], f"{row['sample']}, {row['activation']:.3g}") for row in table.to_pylist()
    )
    return (
        f"<p>Feature <code>{escape(feature.feature)}</code> of <b>{escape(feature.library.name)}</b>: "
        f"{len(feature):,} entries; {min(_CROPS, len(feature))} of them at random</p><p>{crops}</p>"
    )


def picture_html(png: bytes, alt: str, side: int = _SIDE) -> str:
    """Show a picture; its text is what `alt` says."""
    data = base64.b64encode(png).decode()
    return (
        f'<img src="data:image/png;base64,{data}" height="{side}" alt="{escape(alt)}" title="{escape(alt)}"> '
    )


def table_html(facts: Mapping[str, str]) -> str:
    """Show names and values."""
    return f"<table>{''.join(_row(name, value) for name, value in facts.items())}</table>"


def _counts(library: Library) -> str:
    lines: Iterable[str] = (
        f"{count.samples:,} {escape(source)} samples, {count.entries:,} entries"
        for source, count in library.counts().items()
    )
    return f"<p>{'<br>'.join(lines)}</p>"


def _row(name: str, value: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(value)}</td></tr>"


def _crop(crop: bytes, alt: str) -> str:
    """Draw a crop anew, so that nothing but pixels gets into the page."""
    try:
        image = depict(decode_crop(crop, alt), size=_SIDE)
    except UsageError:
        return f"<span>{escape(alt)}: no picture</span> "
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return picture_html(buffer.getvalue(), alt)
