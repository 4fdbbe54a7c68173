"""Real pages in a real Chromium: from a file, in a sandbox, and from a server."""

from __future__ import annotations

import os
import shutil

import pytest
import toy_frames
from element_pages import FEATURE, Watched, block, sealed

sync_api = pytest.importorskip("playwright.sync_api", reason="Install playwright to drive a browser")


@pytest.fixture(scope="module")  # Playwright's loop must have ended when the next file runs one of its own
def browser():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Set CHROMIUM to a Chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--font-render-hinting=none"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def contexts(browser):
    """Keep one context for each kind of visitor: the elements store nothing."""
    kept = {}

    def context(**settings):
        key = repr(sorted(settings.items()))
        kept[key] = kept.get(key) or browser.new_context(viewport={"width": 1000, "height": 760}, **settings)
        return kept[key]

    return context


@pytest.fixture
def open_page(contexts):
    """Give a function that opens an address; files are opened without any network."""
    pages = []

    def open_at(address, **settings):
        watched = Watched(contexts(offline=address.startswith("file:"), **settings).new_page())
        pages.append(watched.page)
        watched.page.goto(address)
        return watched

    yield open_at
    for page in pages:
        page.close()


@pytest.fixture
def open_text(open_page, tmp_path):
    def open_file(text, fragment="", **settings):
        path = tmp_path / "page.html"
        path.write_text(text, "utf-8")
        return open_page(path.as_uri() + fragment, **settings)

    return open_file


@pytest.fixture(scope="session")
def lattice():
    return toy_frames.lattice()


@pytest.fixture(scope="session")
def offline_page(lattice):
    return sealed(f"<foveal-sliders>{block('lattice', lattice.as_json(FEATURE))}</foveal-sliders>")


@pytest.fixture(scope="session")
def frames():
    return toy_frames.frames()


@pytest.fixture(scope="session")
def site(lattice, frames):
    """Serve the sliders with exact frames; give the address."""
    served = pytest.importorskip("served_elements")
    with served.running(served.app(frames, lattice.as_json(FEATURE, "/frames/toy"))) as address:
        yield address
