"""How every page looks: pictures that somebody has looked at, see golden.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from explorer_browsing import Watch, chromium_page, until
from golden import compare
from hostile_audit import served

from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "golden"
#: What differs from run to run.
MASKED = "footer, .log td:first-child, .log td:last-child, .split .soft"
WAYS = {"light": (1300, 900, "light"), "dark": (1300, 900, "dark"), "narrow": (500, 900, "light")}
CASES = [
    *(("light", page) for page in ("features", "findings", "library", "feature", "sliders", "finding", "gap",
                                   "course", "why", "compare", "log", "wrong", "keys")),
    *(("dark", page) for page in ("features", "findings", "feature", "sliders")),
    *(("narrow", page) for page in ("features", "findings", "feature", "sliders", "why")),
]  # fmt: skip


@pytest.fixture(scope="module")
def shown(exhibit, tmp_path_factory):
    """An explorer of its own, in which two readers disagree."""
    folder = tmp_path_factory.mktemp("looks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        patch.chdir(folder)
        name, now, before = exhibit(f"sqlite:///{folder}/looked-at.db")
        exhibits = open_exhibits(now, name, [before], f"sqlite:///{folder}/looked-at.db")
        subject = exhibits.findings.artefacts[0].id
        exhibits.annotations.add("Ann", subject, verdict="artefact", name="marker", confidence=0.9)
        exhibits.annotations.add("Bob", subject, verdict="genuine", note="seen in patients too")
        yield exhibits


@pytest.fixture(scope="module")
def addresses(shown):
    found = shown.findings
    return {
        "features": "/", "findings": "/triage", "library": "/entries", "feature": "/entries?feature=fc1%3A7",
        "sliders": "/entries?feature=contribution%3A1", "finding": f"/finding/{found.artefacts[0].id}",
        "gap": f"/finding/{found.gaps[0].id}", "course": f"/course/{found.artefacts[1].id}",
        "why": "/why?request=training/00001.png", "compare": "/compare", "log": "/log",
        "wrong": "/finding/A-0", "keys": "/",
    }  # fmt: skip


@pytest.fixture(scope="module")
def window(shown, chromium):
    guard = Guard()
    with served(shown, guard) as base, chromium_page(chromium) as page:
        page.goto(f"{base}/?token={guard.token}")
        page.base, page.watch = base, Watch(page, base)
        yield page


def choose(page):
    page.wait_for_selector(".cell[data-filled]")
    page.focus("#grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.wait_for_selector("#detail .tile img")


def rest(page):
    page.locator("foveal-sliders").scroll_into_view_if_needed()
    until(page, "() => document.querySelector('foveal-sliders').first !== undefined")
    page.wait_for_load_state("networkidle")
    page.evaluate("() => document.querySelector('.generator').scrollIntoView()")


READY = {"feature": choose, "sliders": rest, "keys": lambda page: page.keyboard.press("?")}


@pytest.mark.parametrize(("way", "name"), CASES, ids=["-".join(case) for case in CASES])
def test_the_page_looks_as_it_did(window, addresses, way, name):
    width, height, scheme = WAYS[way]
    window.set_viewport_size({"width": width, "height": height})
    window.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    window.watch.faults.clear()
    window.goto(window.base + addresses[name])
    window.wait_for_load_state("networkidle")
    READY.get(name, lambda page: None)(window)
    window.wait_for_load_state("networkidle")
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    expected = ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]
    assert window.watch.faults == (expected if name == "wrong" else [])
    compare(window.screenshot(mask=[window.locator(MASKED)]), HERE / f"{name}-{way}.webp")
