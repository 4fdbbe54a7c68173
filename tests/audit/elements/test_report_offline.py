"""A whole report with sliders in it, opened as a file without any network."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_frames
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from foveal_audit.generators.pictures import as_pictures
from foveal_audit.lattice.nodes import still
from foveal_audit.report.page import render_page

pytestmark = pytest.mark.slow
GOLDEN = Path(__file__).parent / "golden"
HALF = 2  # pixels of the page in one of a picture that is kept
CALM = 4  # pixels of those that are averaged: fonts differ from machine to machine


@pytest.fixture(scope="module")
def report(module_result, lattice):
    """Write the report of the made-up audit: sliders for its finding and for one other facet."""
    facets = [
        replace(one, lattice=lattice.as_json(one.assessment.feature)) for one in module_result.facets[:2]
    ]
    return render_page(replace(module_result, facets=[*facets, *module_result.facets[2:]]))


def sliders(page):
    """Bring the finding's sliders into view and give them; nothing is decoded before that."""
    finding = page.locator("article.finding foveal-sliders")
    finding.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('foveal-sliders').kind")
    return finding


@pytest.fixture
def opened(open_text, report):
    watched = open_text(report)
    sliders(watched.page)
    yield watched
    assert watched.requests == [watched.page.url.partition("#")[0]]
    assert watched.complaints == []


def picture(watched):
    return watched.page.evaluate("document.querySelector('foveal-sliders').parts.canvas.toDataURL()")


def test_frames_change_while_dragging_and_are_the_generator_s_own_on_release(opened):
    page, slider = opened.page, opened.page.locator("article.finding input[type=range]").first
    box = slider.bounding_box()
    y, seen = box["y"] + box["height"] / 2, []
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for share in (0.56, 0.65, 0.81, 0.93):
        page.mouse.move(box["x"] + share * box["width"], y)
        seen.append(picture(opened))
    assert len(set(seen)) == 4
    assert opened.sliders("one.kind") == "blend"
    assert page.get_by_text("not the generator's own").is_visible()
    page.mouse.up()
    assert opened.sliders("one.kind") == "exact"
    z = np.array([opened.sliders("one.z")], np.float32)
    assert np.array_equal(opened.pixels(), as_pictures(still(toy_frames.learned().generator, z))[0])


def test_keys_move_the_slider_and_the_contents_still_lead_to_their_sections(opened):
    page, slider = opened.page, opened.page.locator("article.finding input[type=range]").nth(1)
    before = picture(opened)
    slider.focus()
    slider.press("ArrowRight")
    assert picture(opened) != before
    assert opened.sliders("one.kind") == "exact"
    slider.press("u")
    assert picture(opened) == before
    page.evaluate("history.replaceState(null, '', '#')")
    page.get_by_role("link", name="Decisions and sign-off").click()
    assert page.url.endswith("#signoff")
    assert page.evaluate("document.querySelector('#signoff').getBoundingClientRect().top < innerHeight")


def test_sliders_of_other_facets_wait_until_they_are_asked_for(opened):
    gallery = opened.page.locator(".gallery foveal-sliders")
    assert gallery.evaluate("one => one.kind") is None
    opened.page.locator(".gallery summary").click()
    opened.page.wait_for_function("() => document.querySelector('.gallery foveal-sliders').kind === 'exact'")


def test_on_paper_there_are_pictures_and_no_sliders(opened):
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("foveal-sliders").first.is_visible()
    assert not opened.page.get_by_text("Where links are blocked").is_visible()
    assert opened.page.get_by_alt_text("6 generated variants").first.is_visible()


def test_without_scripts_the_page_says_why_there_are_no_sliders(open_text, report):
    finding = open_text(report, java_script_enabled=False).page.locator("article.finding").first
    said = finding.locator("noscript p")  # text selectors pass noscript by
    assert said.inner_text().startswith("The sliders need scripts, which are switched off here.")
    assert not finding.locator("foveal-sliders").is_visible()
    assert finding.get_by_alt_text("6 generated variants").is_visible()


HOSTILE = """</script></title><script>window.ran = 1</script><img src=x onerror="window.ran = 1">'\u202e"""


def test_hostile_names_run_nothing_and_load_nothing(open_text, module_result, lattice):
    findings = module_result.findings
    named = findings.model.model_copy(update={"name": HOSTILE, "labels": [HOSTILE], "uri": HOSTILE})
    changed = findings.model_copy(update={"model": named, "not_examined": [HOSTILE]})
    told = lattice.as_json(HOSTILE)
    told["axes"][0]["label"] = HOSTILE
    facets = [replace(one, lattice=told, generator_dir=HOSTILE) for one in module_result.facets[:1]]
    watched = open_text(render_page(replace(module_result, findings=changed, facets=facets)))
    label = sliders(watched.page).locator("label").first
    assert "</script></title><script>window.ran = 1</script>" in label.inner_text()
    assert watched.page.evaluate("window.ran") is None
    assert watched.requests == [watched.page.url.partition("#")[0]]
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_fault(open_text, report, scheme):
    loose = report.replace("script-src", "script-src 'unsafe-eval'")
    watched = open_text(loose, color_scheme=scheme, bypass_csp=True)
    sliders(watched.page)
    found = Axe().run(watched.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize(
    ("name", "width", "how"),
    [
        pytest.param("light", 1100, {}, marks=pytest.mark.full),
        ("dark", 1100, {"color_scheme": "dark"}),
        ("narrow", 500, {}),
        pytest.param("print", 794, {"media": "print"}, marks=pytest.mark.full),
    ],
)
def test_the_whole_page_looks_as_it_did(open_text, report, name, width, how):
    """Pictures that somebody has looked at; FOVEAL_GOLDEN=write makes new ones."""
    watched = open_text(report)
    watched.page.set_viewport_size({"width": width, "height": 900})
    sliders(watched.page)
    watched.page.emulate_media(**how)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    taken = watched.page.screenshot(full_page=True, type="jpeg", quality=90)
    shot = Image.open(io.BytesIO(taken)).reduce(HALF)
    path = GOLDEN / f"report-{name}.webp"
    if os.environ.get("FOVEAL_GOLDEN") == "write":
        shot.save(path, quality=40)
    golden = Image.open(path).convert("RGB")
    assert golden.width == shot.width
    assert abs(golden.height - shot.height) < 0.04 * golden.height
    ours, known = (np.asarray(one.reduce(CALM), float) for one in (shot, golden))
    rows = min(len(ours), len(known)) // 4  # the first page and the first finding; below, lines drift
    assert np.abs(ours[:rows] - known[:rows]).mean() < 6
