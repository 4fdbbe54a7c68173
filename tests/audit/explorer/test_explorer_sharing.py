"""Sharing out findings in a real Chromium: several at once, to a reader, open again, taken back together."""

from __future__ import annotations

import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from hostile_audit import fill, findings, served
from playwright.sync_api import sync_playwright

from foveal.library import Library
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.explorer.exhibits import open_exhibits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(store, tmp_path_factory):
    """An audit of a library of its own."""
    folder = tmp_path_factory.mktemp("shared")
    library = Library("shared", store)
    fill(library, 12)
    write_bundle(AuditResult(findings(library)), folder / "now", documents={})
    write_bundle(AuditResult(findings(library, "genuine")), folder / "before", documents={})
    return open_exhibits(folder / "now", "shared", [folder / "before"], store)


@pytest.fixture(scope="module")
def page(shared, guard, chromium):
    """A reader's page, whose console must stay silent."""
    with served(shared, guard) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        faults = []
        page.on("console", lambda line: line.type in ("error", "warning") and faults.append(line.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{base}/triage?token={guard.token}")
        page.fill("#reader", "Ann")
        page.press("#reader", "Tab")
        page.base = base
        yield page
        browser.close()
        assert faults == []


@pytest.fixture
def queue(page, shared):
    """The queue, and the ids of its findings."""
    page.goto(f"{page.base}/triage")
    ids = [item.get_attribute("data-id") for item in page.locator("#queue li").all()]
    page.wait_for_selector(f"#panel[data-shown='{ids[0]}']")
    return ids


def posted(page, act):
    """Do something that is to be kept, and wait until it is shown."""
    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        act()
    assert answer.value.status == 200
    _until(page, "document.getElementById('said').textContent !== ''")
    return answer.value.json()


def _until(page, holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, holds
        page.wait_for_timeout(50)


def verdicts(shared, ids):
    known = shared.said()
    return [known[id_].verdict if id_ in known else "" for id_ in ids]


def test_several_are_decided_by_keyboard_and_taken_back_together(page, shared, queue):
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.wait_for_selector(f"#panel[data-shown='{queue[1]}']")
    page.keyboard.press("x")
    assert page.inner_text("#several-count") == "2 chosen"
    page.select_option("#several [name=verdict]", "artefact")
    page.fill("#several [name=note]", "seen together")
    told = posted(page, lambda: page.press("#several [name=note]", "Enter"))
    assert len(told["events"]) == 2
    assert verdicts(shared, queue) == ["artefact", "artefact", "", ""]
    assert page.locator("#queue li[data-settled=yes]").count() == 2
    assert page.locator(".annotate .standing-now .saying.artefact").count() == 1
    posted(page, lambda: page.click("#several [name=undo]"))
    assert verdicts(shared, queue) == [""] * 4
    assert page.locator("#queue li[data-settled=yes]").count() == 0
    assert page.locator("#several").is_hidden()


def test_what_is_assigned_to_me_is_found_and_opened_again(page, shared, queue):
    page.keyboard.press("x")
    page.click("#several [name=all]")
    assert page.inner_text("#several-count") == "4 chosen"
    page.click("#several [name=none]")
    page.check(f"#queue li[data-id='{queue[2]}'] .choose")
    page.fill("#several [name=reader]", "Ann")
    posted(page, lambda: page.click("#several [name=assign]"))
    page.check("#mine-only")
    assert [item.get_attribute("data-id") for item in page.locator("#queue li:visible").all()] == [queue[2]]
    page.click(f"#queue li[data-id='{queue[2]}'] a")
    page.wait_for_selector(f"#panel[data-shown='{queue[2]}']")
    assert "assigned to Ann" in page.inner_text(".annotate .standing-now")
    posted(page, lambda: page.keyboard.press("1"))
    page.wait_for_selector(".annotate .standing-now .saying.genuine")
    posted(page, lambda: page.keyboard.press("r"))
    page.wait_for_selector(".annotate .opened")
    assert shared.said()[queue[2]].opened == "Ann"
    page.keyboard.press("a")
    page.keyboard.type("Bob")
    posted(page, lambda: page.click(".annotate .assign"))
    assert shared.said()[queue[2]].assigned == "Bob"
    assert page.locator("#queue li:visible").count() == 1  # it stays until the list is sifted anew
    page.uncheck("#mine-only")
    page.check("#mine-only")
    assert page.locator("#queue li:visible").count() == 0
    page.uncheck("#mine-only")


def test_the_pages_are_accessible_and_fit_into_half_a_window(page, shared, queue):
    page.set_viewport_size({"width": 500, "height": 900})
    for path in (f"/course/{queue[0]}", "/compare?a=bundle-0&b=bundle-1", "/triage"):
        page.goto(page.base + path)
        page.wait_for_load_state("networkidle")
        if path == "/triage":
            page.keyboard.press("x")
            assert page.locator("#several").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 500, path
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == [], path
    page.set_viewport_size({"width": 1300, "height": 950})
