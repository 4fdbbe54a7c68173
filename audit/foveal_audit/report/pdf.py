"""``report.pdf``: the same page as ``report.html``, laid out for paper by WeasyPrint."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ImageFile

from foveal.errors import EnvironmentFault

#: What the system must have beside the Python package, as Debian calls it.
SYSTEM_PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
_MEND = f"Install Pango: apt-get install {' '.join(SYSTEM_PACKAGES)}, and pip install weasyprint"
#: Paper runs nothing; the sliders' pictures alone would take the parser seconds.
_SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL)
_STYLE = Path(__file__).with_name("pdf.css")


def render_pdf(html: str) -> bytes:
    """Lay a report out on paper; nothing is read but the page itself.

    Parameters
    ----------
    html
        As :func:`foveal_audit.report.page.render_page` writes it.

    Returns
    -------
    bytes
        A tagged PDF; the same page always gives the same bytes.

    Raises
    ------
    EnvironmentFault
        WeasyPrint, or the system's Pango that it draws letters with, is not installed.
    """
    try:
        with _as_strict_as_before():
            from weasyprint import HTML  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, may be absent
    except (ImportError, OSError) as error:
        raise EnvironmentFault("report.pdf cannot be made: WeasyPrint or Pango is missing", _MEND) from error
    written = html.encode("utf-8", "backslashreplace")
    identifier, text = hashlib.sha256(written).digest()[:16], _SCRIPTS.sub("", written.decode())
    # Behind the page's own rules: a sheet given to WeasyPrint would have less say than they have.
    styled = text.replace("</style>", _STYLE.read_text("utf-8") + "</style>", 1)
    with _quiet():
        page = HTML(string=styled, url_fetcher=_inside_only(), media_type="print")
        pdf = page.write_pdf(pdf_identifier=identifier, pdf_tags=True)
    return bytes(pdf or b"")


def _inside_only() -> object:
    """Make what WeasyPrint fetches with: pictures inside the page, never a file or an address."""
    from weasyprint.urls import URLFetcher  # type: ignore[import-untyped]  # noqa: PLC0415

    return URLFetcher(allowed_protocols=("data",), allow_redirects=False)


@contextmanager
def _as_strict_as_before() -> Iterator[None]:
    """Give back what WeasyPrint sets for the whole process: Pillow would take truncated samples for whole."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep WeasyPrint from complaining about rules that are meant for screens."""
    told = logging.getLogger("weasyprint")
    before = told.level
    told.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        told.setLevel(before)
