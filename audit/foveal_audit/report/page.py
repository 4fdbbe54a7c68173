"""``report.html``: one page without scripts, network or outside files.

Everything from the data is escaped by the templates. A content security policy is the second wall: nothing
loads but the pictures inside the page and the one style sheet whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from foveal.records import SOURCES
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.summary import VERDICTS, plural
from foveal_audit.bundle.writing import Document
from foveal_audit.report import naming, properties, wording
from foveal_audit.report.bars import percent_classes
from foveal_audit.report.views import Density, make_page

#: Past this many bytes browsers and MLflow's preview become slow; the page then shows fewer crops.
BUDGET = 20_000_000
DENSITIES = (Density(12, 4), Density(8, 4), Density(4, 2), Density(2, 0), Density(0, 0))

_HERE = Path(__file__).parent
# Control characters, marks and overrides of the reading direction, and halves of characters.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def render_page(result: AuditResult) -> str:
    """Write the report of an audit, with as many crops as the size budget allows.

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


#: The documents of a bundle that this room writes: file name and function.
DOCUMENTS: Mapping[str, Document] = MappingProxyType({"report.html": render_page})


def content_security_policy(style: str) -> str:
    """Allow the page's own pictures and this one style sheet, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _render(result: AuditResult, density: Density) -> str:
    style = _style()
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            page=make_page(result, density),
            style=Markup(style),  # noqa: S704 - our own file
            policy=content_security_policy(style),
        )
    )


@lru_cache(maxsize=1)
def _style() -> str:
    return (_HERE / "style.css").read_text("utf-8") + percent_classes()


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        score=wording.score,
        change=wording.change,
        percent=wording.percent,
        probability=wording.probability,
        interval=wording.interval,
        window=wording.window,
        plural=plural,
        signal=naming.signal,
        times=wording.times,
        weblink=weblink,
        flat=lambda record: list(wording.flat(record)),
    )
    environment.globals.update(words=wording, properties=properties, verdicts=VERDICTS, known_sources=SOURCES)
    return environment


def visible(value: object) -> object:
    """Write out characters that nobody sees but that change what is seen, such as a turned reading order."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", value)


def weblink(address: str) -> str | None:
    """Give an address back when a reader may follow it: web pages only, never ``javascript:`` or a file."""
    return address if address.startswith(("http://", "https://")) else None
