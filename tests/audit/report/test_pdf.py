"""report.pdf: the page on paper, always the same bytes, made of nothing but the page."""

import http.server
import re
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from foveal.errors import EnvironmentFault
from foveal_audit.report import pdf as pdf_room
from foveal_audit.report import pictures
from foveal_audit.report.page import render_page
from foveal_audit.report.pdf import SYSTEM_PACKAGES, render_pdf

PAGE = "<!doctype html><html lang='en'><head><title>T</title><style>p { color: #111 }</style></head>"
PAGE += "<body><main><p>A line.</p>HERE</main></body></html>"


def page_of(content):
    return PAGE.replace("HERE", content)


def opened(pdf):
    """Give everything that a PDF says, its compressed parts too."""
    parts = re.findall(rb"stream\r?\n(.*?)\nendstream", pdf, re.DOTALL)
    return pdf + b"".join(zlib.decompressobj().decompress(one) for one in parts if one[:1] == b"x")


def holds_a_picture(pdf):
    return re.search(rb"/Subtype ?/Image", opened(pdf)) is not None


@pytest.fixture(scope="module")
def small(module_result):
    """Lay the made-up audit out, and say how long that took."""
    html = render_page(module_result)
    begun = time.process_time()
    return html, render_pdf(html), time.process_time() - begun


def test_it_is_a_tagged_pdf_in_the_page_s_language(small):
    _, pdf, _ = small
    assert pdf.startswith(b"%PDF-1.")
    assert b"/StructTreeRoot" in opened(pdf)
    assert re.search(rb"/Lang ?\(en\)", opened(pdf))


def test_a_report_with_findings_takes_seconds(small):
    """Grids inside grids took minutes: they are blocks on paper."""
    assert small[2] < 20


def test_equal_pages_give_equal_bytes_and_others_do_not():
    first, again, other = (render_pdf(page_of(text)) for text in ("", "", "more"))
    assert first == again
    assert first != other


def test_pictures_inside_the_page_are_kept():
    uri = pictures.png_uri(Image.effect_noise((64, 64), 80))
    bare, shown = (render_pdf(page_of(text)) for text in ("", f'<img src="{uri}" alt="noise">'))
    assert len(shown) > len(bare) + 2000
    assert holds_a_picture(shown)
    assert not holds_a_picture(bare)


def test_scripts_and_words_for_the_screen_are_not_on_paper(module_result):
    lattice = {"feature": "fc1:7", "sprite": "data:image/webp;base64," + "A" * 1_000_000}
    facets = [replace(one, lattice=lattice) for one in module_result.facets[:1]]
    html = render_page(replace(module_result, facets=facets))
    with pytest.MonkeyPatch.context() as patch:
        seen = []
        patch.setattr("weasyprint.HTML", lambda **how: seen.append(how["string"]) or Blank())
        render_pdf(html)
    assert "<script" in html
    assert "<script" not in seen[0]
    assert len(seen[0]) < len(html) - 1_000_000
    hidden = re.search(r"@media print \{.*?^\}", seen[0], re.DOTALL | re.MULTILINE)[0]
    assert ".walk, .screen, details:not([open]) { display: none; }" in hidden
    assert '<span class="screen"> Where links are blocked, scroll.</span>' in html


class Blank:
    """Stands for a page of WeasyPrint's."""

    def write_pdf(self, **_how):
        return b"%PDF"


def test_nothing_is_read_from_disk_or_network(tmp_path):
    asked = []

    class Listening(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    picture = tmp_path / "secret.png"
    Image.effect_noise((64, 64), 80).save(picture)
    sources = (picture.as_uri(), f"http://127.0.0.1:{server.server_port}/a.png")
    try:
        pdf = render_pdf(page_of("".join(f'<img src="{one}" alt="x">' for one in sources)))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []
    assert not holds_a_picture(pdf)


def test_without_weasyprint_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(EnvironmentFault) as error:
        render_pdf(page_of(""))
    assert str(error.value) == (
        "report.pdf cannot be made: WeasyPrint or Pango is missing. Install Pango: apt-get install "
        f"{' '.join(SYSTEM_PACKAGES)}, and pip install weasyprint."
    )


def test_whatever_is_a_grid_on_screen_is_a_block_on_paper():
    room, lines = Path(pdf_room.__file__).parent, re.MULTILINE
    grids = re.findall(r"^([^\n{@]+) \{ display: grid", (room / "style.css").read_text("utf-8"), lines)
    paper = re.findall(
        r"^([^{}*]+) \{ display: block; \}", (room / "pdf.css").read_text("utf-8"), re.MULTILINE
    )
    blocks = {one.strip() for line in paper for one in line.split(",")}
    assert grids
    assert set(grids) <= blocks


def test_pillow_refuses_truncated_pictures_as_before():
    code = (
        "from PIL import ImageFile; from foveal_audit.report.pdf import render_pdf; "
        "render_pdf('<html><head><style></style></head><body>a</body></html>'); "
        "import weasyprint.images; print(ImageFile.LOAD_TRUNCATED_IMAGES)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
