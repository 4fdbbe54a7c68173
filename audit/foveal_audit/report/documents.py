"""The report's files in a bundle: the page, the same page on paper, and how often the audit itself errs."""

from __future__ import annotations

from collections.abc import Mapping

from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.writing import Document
from foveal_audit.report.error_rates import rates_text
from foveal_audit.report.page import render_page
from foveal_audit.report.pdf import render_pdf

PAGE, PAPER, RATES = "report.html", "report.pdf", "error_rates.json"


def documents(*, pdf: bool = True) -> Mapping[str, Document]:
    """Give what :func:`foveal_audit.bundle.writing.write_bundle` writes of the report.

    Parameters
    ----------
    pdf
        Also ``report.pdf``, which takes some seconds.
    """
    page = _Once()
    paper: dict[str, Document] = {PAPER: lambda result: render_pdf(page(result))} if pdf else {}
    return {PAGE: page, **paper, RATES: lambda _: rates_text()}


class _Once:
    """Renders the page of a result once, however many files are made of it."""

    def __init__(self) -> None:
        self._kept: tuple[AuditResult, str] | None = None

    def __call__(self, result: AuditResult) -> str:
        if self._kept is None or self._kept[0] is not result:
            self._kept = (result, render_page(result))
        return self._kept[1]
