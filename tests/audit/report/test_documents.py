"""The report's files in a bundle: the page is rendered once, and paper may be missing."""

import json
import sys
from dataclasses import replace

import pytest

from foveal_audit.bundle.manifest import read_manifest, verify_manifest
from foveal_audit.bundle.writing import MISSING, write_bundle
from foveal_audit.report import documents as room
from foveal_audit.report.documents import PAGE, PAPER, RATES, documents
from foveal_audit.report.error_rates import measured_rates, read_rates


@pytest.fixture
def quick(monkeypatch):
    """Replace both renderers, and count what they are asked for."""
    asked = []

    def page(result):
        asked.append(PAGE)
        return f"<p>{result.findings.seed}</p>"

    def paper(html):
        asked.append(PAPER)
        return b"%PDF " + html.encode()

    monkeypatch.setattr(room, "render_page", page)
    monkeypatch.setattr(room, "render_pdf", paper)
    return asked


def test_both_are_in_the_bundle_and_its_manifest_and_the_page_is_rendered_once(result, tmp_path, quick):
    out = write_bundle(result, tmp_path / "bundle", documents=documents())
    assert quick == [PAGE, PAPER]
    assert (out / PAPER).read_bytes() == b"%PDF " + (out / PAGE).read_bytes()
    assert {PAGE, PAPER, RATES} <= set(read_manifest(out).files)
    assert read_rates(json.loads((out / RATES).read_text("utf-8"))) == measured_rates()
    assert verify_manifest(out) == []
    (out / PAPER).write_bytes(b"%PDF other")
    assert verify_manifest(out) == [f"{PAPER}: altered"]


def test_another_result_is_rendered_anew(make_result, quick):
    made = documents()
    first, second = make_result(), make_result(seed=5)
    assert [made[PAPER](one) for one in (first, second)] == [b"%PDF <p>0</p>", b"%PDF <p>5</p>"]
    assert made[PAGE](replace(first)) == "<p>0</p>"


def test_paper_is_left_out_where_nobody_wants_it(result, tmp_path, quick):
    out = write_bundle(result, tmp_path / "bundle", documents=documents(pdf=False))
    assert quick == [PAGE]
    assert not [path for path in out.iterdir() if "pdf" in path.name]


def test_where_pango_is_missing_the_bundle_says_so_and_is_whole(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    out = write_bundle(result, tmp_path / "bundle", documents=documents())
    assert (out / (PAPER + MISSING)).read_text() == (
        "report.pdf cannot be made: WeasyPrint or Pango is missing. Install Pango: apt-get install "
        "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0, and pip install weasyprint.\n"
    )
    assert not (out / PAPER).exists()
    assert (out / PAGE).read_text().startswith("<!doctype html>")
    assert verify_manifest(out) == []
