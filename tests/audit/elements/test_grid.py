"""The grid: a hundred thousand entries of which few are on the page."""

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.slow
PORT = "document.querySelector('foveal-grid').port"
FILLED = (
    "() => { const grid = document.querySelector('foveal-grid'); return grid.cells.length > 0 && "
    "grid.cells.every((cell) => !cell.classList.contains('blank')); }"
)


@pytest.fixture
def grid(open_page, site):
    watched = open_page(site + "/grid")
    watched.ready("foveal-grid")
    watched.page.wait_for_function(FILLED)
    return watched


def shown(grid):
    """Give what lies at the top of the view: label, and page that its picture is of."""
    return grid.page.evaluate(
        """() => { const grid = document.querySelector("foveal-grid"), top = grid.port.scrollTop;
        const first = grid.cells.map((cell) => cell.index).filter((index) =>
            Math.floor(index / grid.columns) * (grid.side + 6) >= top).sort((a, b) => a - b)[0];
        const cell = grid.cells.find((one) => one.index === first);
        return [first, cell.getAttribute("aria-label"), cell.style.backgroundImage]; }"""
    )


def test_few_of_a_hundred_thousand_entries_are_on_the_page(grid):
    assert grid.page.evaluate("document.querySelector('foveal-grid').total") == 100_000
    assert grid.page.evaluate("document.querySelector('foveal-grid').cells.length") < 400
    assert grid.page.get_by_text("100,000 entries, crops shown").count() == 1
    assert grid.complaints == []


@pytest.mark.parametrize("share", [0.37, 1.0, 0.0])
def test_every_place_shows_its_own_entries(grid, share):
    grid.page.evaluate(f"{PORT}.scrollTop = {share} * {PORT}.scrollHeight")
    grid.page.wait_for_timeout(60)
    grid.page.wait_for_function(FILLED)
    index, label, picture = shown(grid)
    assert label == f"entry {index}"
    assert f"offset={index // 128 * 128}&" in picture
    assert abs(index / 100_000 - share) < 0.01


def test_filters_of_the_source_are_kept(grid):
    pages = [url for url in grid.requests if "/entries" in url]
    assert pages
    assert all("site=a" in url for url in pages)


def test_keys_move_the_choice_and_enter_tells_the_page(grid):
    grid.page.evaluate("() => addEventListener('foveal-entry', (event) => { window.heard = event.detail; })")
    grid.page.locator("foveal-grid [role=listbox]").focus()
    columns = grid.page.evaluate("document.querySelector('foveal-grid').columns")
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        grid.page.keyboard.press(key)
    assert grid.page.evaluate("window.heard") == {
        "index": columns + 1,
        "entry": {"id": str(columns + 1), "label": f"entry {columns + 1}"},
    }
    grid.page.keyboard.press("End")
    assert grid.page.evaluate("document.querySelector('foveal-grid').chosen") == 99_999
    grid.page.wait_for_function(FILLED)
    assert shown(grid)[0] > 99_000


def test_one_key_changes_what_is_shown(grid):
    grid.page.locator("foveal-grid [role=listbox]").focus()
    for view in ("map", "overlay", "crop"):
        grid.page.keyboard.press("o")
        grid.page.wait_for_function(FILLED)
        assert f"view={view}&" in shown(grid)[2]


def test_a_lost_page_is_fetched_again(grid):
    grid.page.route("**/entries**", lambda route: route.abort())
    grid.page.evaluate("document.querySelector('foveal-grid').port.scrollTop = 50000")
    grid.page.get_by_text("Scroll to try again.").wait_for()
    grid.page.unroute("**/entries**")
    grid.page.evaluate("document.querySelector('foveal-grid').port.scrollTop = 50100")
    grid.page.wait_for_timeout(60)
    grid.page.wait_for_function(FILLED)


def test_no_serious_accessibility_fault(open_page, site):
    watched = open_page(site + "/grid", bypass_csp=True)
    watched.ready("foveal-grid")
    watched.page.wait_for_function(FILLED)
    found = Axe().run(watched.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
