"""The explorer as people use it: a real Chromium, every page, every key, and texts that try to break out."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from explorer_browsing import Watch, until
from hostile_audit import FEATURES, served
from playwright.sync_api import sync_playwright

from foveal.library.opinions import standings

pytestmark = pytest.mark.slow

PAGES = ("/", "/triage", "/entries", "/compare", "/log", "/why?request=training/00001.png")


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def base(exhibits, guard):
    with served(exhibits, guard) as address:
        yield address


@pytest.fixture(scope="module")
def open_as(browser, base, guard):
    """Open the explorer as a reader, in a browser profile of the reader's own."""

    def make(who):
        page = browser.new_context(viewport={"width": 1300, "height": 950}).new_page()
        page.watch = Watch(page, base)
        page.goto(f"{base}/?token={guard.token}")
        page.fill("#reader", who)
        page.press("#reader", "Tab")
        return page

    return make


@pytest.fixture(scope="module")
def ann(open_as):
    return open_as("Ann")


@pytest.fixture
def page(ann):
    ann.watch.faults.clear()
    yield ann
    assert ann.evaluate("window.hacked") is None
    assert ann.watch.faults == []


def settled(page):
    page.wait_for_load_state("networkidle")


def axe_faults(page):
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:150])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("path", [*PAGES, "finding", "gap", "feature", "course", "wrong"])
def test_every_page_is_quiet_and_accessible(page, base, exhibits, path):
    found = exhibits.findings
    paths = {
        "finding": f"/finding/{found.artefacts[0].id}",
        "gap": f"/finding/{found.gaps[0].id}",
        "feature": "/entries?feature=contribution%3A1",
        "course": f"/course/{found.artefacts[0].id}",
    }
    if path == "wrong":
        page.goto(
            f"{base}/log"
        )  # a page that is not there is an error to a browser, so the text is looked at
        assert "There is no finding" in page.evaluate("fetch('/finding/A-0').then((answer) => answer.text())")
        page.watch.faults.clear()
        return
    page.goto(base + paths.get(path, path))
    settled(page)
    assert "\u202e" not in page.inner_text("body")
    assert "49" not in page.title()
    assert page.locator("h1").count() == 1
    assert axe_faults(page) == []


def test_the_first_page_is_there_within_a_second(page, base):
    page.goto("about:blank")
    begin = time.perf_counter()
    page.goto(f"{base}/")
    page.wait_for_selector(".features tbody tr")
    assert time.perf_counter() - begin < 1


def shown(page):
    return page.get_attribute("#panel", "data-shown")


def wait_for(page, id_):
    page.wait_for_selector(f"#panel[data-shown='{id_}']")


def press_and_keep(page, key):
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        page.keyboard.press(key)
    assert answer.value.status == 200


def test_the_queue_by_keyboard_alone(page, base, exhibits):
    page.goto(f"{base}/triage")
    ids = [item.get_attribute("data-id") for item in page.locator("#queue li").all()]
    assert ids[:3] == [exhibits.findings.artefacts[0].id, exhibits.findings.artefacts[1].id,
                       exhibits.findings.gaps[0].id]  # fmt: skip
    wait_for(page, ids[0])
    page.keyboard.press("j")
    wait_for(page, ids[1])
    page.keyboard.press("j")
    wait_for(page, ids[2])
    page.keyboard.press("k")
    wait_for(page, ids[1])
    for key, verdict in (("1", "genuine"), ("3", "site-specific"), ("4", "unsure"), ("2", "artefact")):
        press_and_keep(page, key)
        page.wait_for_selector(f".annotate .standing-now .saying.{verdict}")
        assert standings(exhibits.annotations.events())[ids[1]].verdict == verdict
    press_and_keep(page, "u")
    page.wait_for_selector(".annotate .standing-now .saying.unsure")
    press_and_keep(page, "5")
    page.wait_for_selector(".annotate .standing-now .saying.none")
    page.keyboard.press("n")
    page.keyboard.type("a marker, 1 j ?")
    page.click(".annotate .save")
    until(page, "document.getElementById('said').textContent === 'Kept'")
    page.focus(".annotate [name=note]")
    page.keyboard.press("Escape")
    last = exhibits.annotations.events()[-1]
    assert (last.who, last.subject, last.note, last.verdict) == ("Ann", ids[1], "a marker, 1 j ?", "")
    assert set(last.entries) == {ref.id for ref in exhibits.finding(ids[1]).entries}
    assert shown(page) == ids[1]


def style(page, selector, what):
    return page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{what}")


def test_the_keys_of_pictures_and_the_list_of_keys(page, base, exhibits):
    page.goto(f"{base}/finding/{exhibits.findings.artefacts[0].id}")
    page.wait_for_selector(".tile .layer")
    look = ".tile .layer"
    assert style(page, look, "visibility") == "visible"
    page.keyboard.press("o")
    assert style(page, look, "visibility") == "hidden"
    page.keyboard.press("o")
    assert style(page, ".tile .photo", "visibility") == "hidden"
    page.keyboard.press("o")
    before = float(style(page, look, "opacity"))
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert float(style(page, look, "opacity")) == pytest.approx(before - 0.2)
    page.keyboard.press("]")
    assert float(style(page, look, "opacity")) == pytest.approx(before - 0.1)
    page.keyboard.down("h")
    assert style(page, look, "visibility") == "hidden"
    page.keyboard.up("h")
    assert style(page, look, "visibility") == "visible"
    line = ".tile .outline"
    for shown in (False, True):
        page.keyboard.press("c")
        assert style(page, line, "visibility") == ("visible" if shown else "hidden")
        assert page.locator("input.contour").is_checked() is shown
    page.locator("input.contour").uncheck()
    assert style(page, line, "visibility") == "hidden"
    assert style(page, look, "visibility") == "visible"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_the_library_by_keyboard_with_filters_and_similar_entries(page, base):
    page.goto(f"{base}/entries?feature=contribution%3A1")
    page.wait_for_selector(".cell[data-filled]")
    assert page.inner_text("#count") == "80 entries"
    page.focus("#grid")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".large .photo, .large .no-picture")
    first = page.inner_text("#detail h2")
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.wait_for_selector("#detail .tile")
    assert page.inner_text("#detail h2") != first
    assert "distance 0." in page.inner_text("#detail .tiles")
    page.keyboard.press("k")
    page.focus("#grid")
    page.keyboard.press("End")
    page.wait_for_selector("#cell-79[aria-selected=true]")
    page.select_option("[name=source]", "production")
    until(page, "document.getElementById('count').textContent === '40 entries'")
    page.fill("[name=low]", "10")
    page.press("[name=low]", "Tab")
    until(page, "document.getElementById('count').textContent === '16 entries'")
    page.evaluate(
        "() => { const input = document.getElementById('window-high');"
        " input.value = 40; input.dispatchEvent(new Event('change')); }"
    )
    until(page, "location.search.includes('span=0%2C0.4')")
    page.wait_for_selector(".cell[data-filled]")
    assert page.locator(".cell").count() == 16


def test_a_jump_shows_what_is_there_before_what_is_near(page, base):
    page.goto(f"{base}/entries")
    page.wait_for_selector(".cell[data-filled]")
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda request: "/api/entries?" in request.url and asked.append(request.url))
    page.evaluate(
        "() => { const grid = document.getElementById('grid'); grid.scrollTop = grid.scrollHeight; }"
    )
    until(page, "() => document.querySelector('#cell-239[data-filled]') !== null")
    page.wait_for_load_state("networkidle")
    starts = [int(url.partition("start=")[2].partition("&")[0]) for url in asked]
    seen = page.evaluate(
        "() => [...document.querySelectorAll('.cell')].map((one) => Number(one.id.slice(5)))"
    )
    first = [start for start in starts if start + 24 > min(seen)]
    assert starts[: len(first)] == first  # of the rest only what is next to it
    assert len(starts) == len(set(starts))
    assert min(starts) >= min(seen) - 4 * 24


def test_sliders_show_frames_of_the_server(page, base):
    page.goto(f"{base}/entries?feature=contribution%3A1")
    page.locator("foveal-sliders").scroll_into_view_if_needed()
    canvas = page.locator("foveal-sliders canvas")
    canvas.wait_for()
    until(page, "document.querySelector('foveal-sliders').kind === 'exact'")
    drawn = "document.querySelector('foveal-sliders').shadowRoot.querySelector('canvas').toDataURL()"
    before = page.evaluate(drawn)
    with page.expect_response(lambda answer: "/frames/" in answer.url):
        page.locator("foveal-sliders input[type=range] >> nth=0").press("ArrowRight")
        page.locator("foveal-sliders input[type=range] >> nth=0").press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.evaluate(drawn) != before
    assert page.locator("foveal-sliders .nearest img").count() == 3


def test_two_readers_disagree_and_the_log_says_so(page, base, open_as, exhibits):
    subject = exhibits.findings.artefacts[0].id
    bob = open_as("Bob <b>")
    for who, key in ((page, "2"), (bob, "1")):
        who.goto(f"{base}/finding/{subject}")
        who.wait_for_selector(".annotate .standing-now")
        settled(who)
        press_and_keep(who, key)
    bob.wait_for_selector(".disagree")
    page.goto(f"{base}/log")
    assert "artefact Ann" in " ".join(page.inner_text(".split").split())
    assert "Bob <b>" in page.inner_text(".split")
    page.click("#verify")
    until(page, "document.getElementById('verified').textContent.startsWith('The chain of')")
    assert bob.watch.faults == []
    press = "() => fetch('/annotations.json').then((answer) => answer.json())"
    events = page.evaluate(press)["events"]
    assert len(events) == len(exhibits.annotations.events())
    page.set_input_files("#import", {"name": "a.json", "mimeType": "application/json",
                                     "buffer": json.dumps({"events": events}).encode()})  # fmt: skip
    until(page, "document.getElementById('said').textContent === '0 events added'")


def test_worklists_follow_the_verdicts(page, base, exhibits):
    gap = exhibits.findings.gaps[0].id
    feature = FEATURES[1]
    page.goto(f"{base}/triage#{gap}")
    wait_for(page, gap)
    press_and_keep(page, "1")
    page.goto(f"{base}/entries?feature=fc1%3A7")
    page.wait_for_selector(".annotate .standing-now .soft")
    press_and_keep(page, "2")
    tables = {name: page.evaluate(f"fetch('/{name}.csv').then((answer) => answer.text())")
              for name in ("unwanted", "acquisition")}  # fmt: skip
    unwanted = list(csv.DictReader(io.StringIO(tables["unwanted"])))
    listed = {row["sample"] for row in unwanted if row["subject"] == feature}
    assert len(listed) == 40
    assert all(sample.startswith("training/") for sample in listed)
    (order,) = csv.DictReader(io.StringIO(tables["acquisition"]))
    assert (order["gap"], order["action"], order["readers"]) == (gap, "acquire", "Ann")


def test_the_comparison_says_what_changed(page, base, exhibits):
    page.goto(f"{base}/compare?a=bundle-0&b=bundle-1")
    assert "0 new, 0 gone, 1 updated, 3 unchanged." in page.inner_text("main")
    changed = page.locator("tr", has=page.locator(".change.updated")).inner_text()
    assert exhibits.findings.artefacts[1].id in changed
    assert "Genuine-looking" in changed


def test_without_a_name_nothing_is_kept(page, base, open_as, exhibits):
    nobody = open_as("")
    events = len(exhibits.annotations.events())
    nobody.goto(f"{base}/finding/{exhibits.findings.artefacts[0].id}")
    settled(nobody)
    nobody.keyboard.press("1")
    until(nobody, "document.getElementById('said').textContent.startsWith('Say who you are')")
    assert len(exhibits.annotations.events()) == events


def test_half_a_window_wide_everything_fits(page, base):
    page.set_viewport_size({"width": 500, "height": 800})
    for path in ("/", "/triage", "/entries"):
        page.goto(base + path)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 500, path
    page.set_viewport_size({"width": 1300, "height": 950})
