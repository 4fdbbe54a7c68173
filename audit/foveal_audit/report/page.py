"""``report.html``: one page without network or outside files; it reads whole without scripts, too.

Everything from the data is escaped by the templates. A content security policy is the second wall: nothing
loads or runs but the pictures inside the page, its style sheet, and the script of its sliders, both by hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from foveal.records import SOURCES
from foveal.samples.places import place
from foveal_audit import elements
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.summary import VERDICTS, plural
from foveal_audit.nouns import axes_of, say
from foveal_audit.report import naming, opinions, properties, wording
from foveal_audit.report.bars import percent_classes
from foveal_audit.report.sections import NUMBERS, SECTIONS
from foveal_audit.report.views import Density, make_page

#: Past this many bytes browsers and MLflow's preview become slow; the page then shows fewer crops.
BUDGET = 20_000_000
DENSITIES = (
    Density(12, 4, sliders="all"),
    Density(4, 2, sliders="all"),
    Density(12, 4, sliders="findings"),
    Density(8, 4),
    Density(4, 2),
    Density(2, 0),
    Density(0, 0),
)

_HERE = Path(__file__).parent
# Control characters, marks and overrides of the reading direction, and halves of characters.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def render_page(result: AuditResult) -> str:
    """Write the report of an audit, with as many crops and sliders as the size budget allows.

    Parameters
    ----------
    result
        The findings and the pictures behind them.

    Returns
    -------
    str
        HTML; the same result always gives the same text.
    """
    html = ""
    for density in DENSITIES:
        html = _render(result, density)
        if len(html) <= BUDGET:
            break
    return html


def content_security_policy(style: str, script: str = "", *, sounds: bool = False) -> str:
    """Allow the page's own pictures, this one style sheet and this one script, and nothing else.

    Parameters
    ----------
    style
        The style sheet's text.
    script
        ``sha256-...`` of the script's text; empty for a page without.
    sounds
        Whether the page holds sounds to be played.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    runs = f" script-src '{script}';" if script else ""
    plays = " media-src data:;" if sounds else ""
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}';{runs}{plays} "
        "base-uri 'none'; form-action 'none'"
    )


def environment(
    folders: Sequence[Path] = (),
    filters: Mapping[str, Any] | None = None,
    **names: object,
) -> Environment:
    """Make what fills templates in: strict, escaping, with the report's templates, filters and words.

    Parameters
    ----------
    folders
        Where templates are looked for before the report's own.
    filters, names
        More filters and globals.
    """
    made = Environment(
        loader=FileSystemLoader([*folders, _HERE / "templates"]),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({**_FILTERS, **(filters or {})})
    made.globals.update({**_NAMES, **names})
    return made


def _render(result: AuditResult, density: Density) -> str:
    style, page = _style(), make_page(result, density)
    script = elements.script("sliders", page.axes) if page.has_sliders else ""
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            page=page,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=content_security_policy(
                style, elements.sha256("sliders", page.axes) if script else "", sounds=page.has_sounds
            ),
        )
    )


@lru_cache(maxsize=1)
def _style() -> str:
    return (_HERE / "style.css").read_text("utf-8") + percent_classes()


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return environment()


def script_json(value: Mapping[str, Any]) -> Markup:
    """Write data that stands inside ``<script type="application/json">``: no text in it can end the block."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no tag is left


def visible(value: object) -> object:
    """Write out characters that nobody sees but that change what is seen, such as a turned reading order."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", value)


def weblink(address: str) -> str | None:
    """Give an address back when a reader may follow it: web pages only, never ``javascript:`` or a file."""
    return address if address.startswith(("http://", "https://")) else None


_NAMES: Mapping[str, object] = {
    "words": wording,
    "opinions": opinions,
    "properties": properties,
    "verdicts": VERDICTS,
    "known_sources": SOURCES,
    "sections": SECTIONS,
    "no": NUMBERS,
    "say": say,
}
_FILTERS: Mapping[str, Callable[..., object]] = {
    "number": wording.number,
    "score": wording.score,
    "change": wording.change,
    "percent": wording.percent,
    "probability": wording.probability,
    "interval": wording.interval,
    "where": wording.where,
    "window": place,
    "plural": plural,
    "signal": naming.signal,
    "axes": axes_of,
    "times": wording.times,
    "weblink": weblink,
    "flat": lambda record: list(wording.flat(record)),
    "script_json": script_json,
}
