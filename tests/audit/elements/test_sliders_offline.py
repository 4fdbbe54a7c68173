"""The sliders in a file without network."""

import json

import numpy as np
import pytest
import toy_frames
from axe_playwright_python.sync_playwright import Axe
from element_pages import FEATURE, block, boxed, sealed

from foveal_audit.generators.pictures import as_pictures
from foveal_audit.lattice.nodes import still

pytestmark = pytest.mark.slow


@pytest.fixture
def opened(open_text, offline_page):
    watched = open_text(offline_page)
    watched.ready()
    return watched


def frame_at(z):
    return as_pictures(still(toy_frames.learned().generator, np.array([z], np.float32)))[0]


def drag(page, slider, shares):
    """Drag a slider with the mouse, pausing at each share of its width; gives the canvas at each."""
    box = page.locator("foveal-sliders input[type=range]").nth(slider).bounding_box()
    y, seen = box["y"] + box["height"] / 2, []
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + share * box["width"], y)
        seen.append(page.evaluate("document.querySelector('foveal-sliders').parts.canvas.toDataURL()"))
    return seen


def test_a_file_without_network_asks_for_nothing_and_has_nothing_to_complain_of(opened):
    assert opened.requests == [opened.page.url]
    assert opened.complaints == []


def test_first_picture_is_a_frame_of_the_generator_itself(opened):
    assert opened.sliders("one.kind") == "exact"
    assert np.array_equal(opened.pixels(), frame_at(opened.sliders("one.z")))


def test_pictures_change_while_dragging_and_are_exact_on_release(opened):
    seen = drag(opened.page, 0, (0.55, 0.6, 0.68, 0.8, 0.93))
    assert len(set(seen)) == 5
    assert opened.sliders("one.kind") == "blend"
    opened.page.mouse.up()
    assert opened.sliders("one.kind") == "exact"
    assert np.array_equal(opened.pixels(), frame_at(opened.sliders("one.z")))


def test_a_release_between_two_pictures_says_where_it_went(opened):
    drag(opened.page, 0, (0.7,))
    opened.page.mouse.up()
    told = opened.page.locator("foveal-sliders .said").inner_text()
    shown = opened.page.locator("foveal-sliders output").first.inner_text()
    assert told.startswith("There is no picture at ")
    assert told.endswith(f"; the nearest of {opened.sliders('one.told.steps')} stored ones is at {shown}.")
    opened.page.get_by_role("button", name="Reset").click()
    assert opened.page.locator("foveal-sliders .said").inner_text() == ""


def test_the_whole_latent_can_be_read(opened):
    sizes = "one => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight]"
    assert max(opened.page.locator("foveal-sliders .vector").evaluate(sizes)) <= 0


def test_a_blend_is_the_weighted_mean_of_the_nodes_round_it(opened, lattice):
    """Held against a naive sum over all 625 nodes."""
    nodes, rng = lattice.nodes, np.random.default_rng(0)
    tiles = as_pictures(still(toy_frames.learned().generator, nodes.latents())).astype(float)
    places = rng.uniform(0, nodes.steps - 1, (5, nodes.axes))
    grid = np.indices((nodes.steps,) * nodes.axes).reshape(nodes.axes, -1).T
    for place in places:
        weights = np.maximum(0, 1 - np.abs(grid - place)).prod(1)
        z = nodes.origin.copy()
        z[: nodes.axes] = nodes.low[: nodes.axes] + (nodes.high - nodes.low)[: nodes.axes] * place / (
            nodes.steps - 1
        )
        opened.page.evaluate(
            "z => document.querySelector('foveal-sliders').move(z)", z.astype(float).tolist()
        )
        assert np.abs(opened.pixels() - np.tensordot(weights, tiles, 1)).max() <= 1.02


def test_keys_go_from_node_to_node_and_undo_goes_back(opened):
    first, slider = opened.sliders("one.z"), opened.page.locator("foveal-sliders input[type=range]").nth(1)
    axis = opened.sliders("one.told.axes[1]")
    step = (axis["high"] - axis["low"]) / 4
    slider.press("ArrowRight")
    assert opened.sliders("one.z[1]") == pytest.approx(first[1] + step, abs=1e-4)
    slider.press("Home")
    assert opened.sliders("one.z[1]") == pytest.approx(axis["low"], abs=1e-4)
    assert opened.sliders("one.kind") == "exact"
    slider.press("u")
    slider.press("u")
    assert opened.sliders("one.z") == first
    assert opened.page.get_by_role("button", name="Undo").is_disabled()


def test_random_pictures_follow_the_seed_and_reset_goes_home(opened):
    first = opened.sliders("one.z")
    opened.page.get_by_role("button", name="Random").click()
    once = opened.sliders("one.z")
    assert once != first
    assert opened.sliders("one.kind") == "exact"
    opened.page.get_by_role("button", name="Random").click()
    assert opened.sliders("one.z") != once
    opened.page.get_by_label("Seed").first.fill("0")
    opened.page.get_by_label("Seed").first.press("Enter")
    opened.page.get_by_role("button", name="Random").click()
    assert opened.sliders("one.z") == once
    opened.page.get_by_role("button", name="Reset").click()
    assert opened.sliders("one.z") == first


def test_walk_plays_pauses_on_an_exact_frame_and_goes_step_by_step(opened):
    page = opened.page
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('foveal-sliders').movie.frame >= 5")
    assert opened.sliders("one.kind") == "blend"
    page.get_by_role("button", name="Pause").click()
    assert opened.sliders("one.kind") == "exact"
    before = opened.sliders("one.movie.frame")
    page.get_by_role("button", name="One frame on").click()
    assert opened.sliders("one.movie.frame") == before + 1
    page.get_by_role("button", name="One frame back").click()
    assert opened.sliders("one.movie.frame") == before


def test_walk_is_closed_and_smooth_and_its_seed_makes_it(opened):
    opened.page.get_by_role("button", name="One frame on").click()
    path = np.array(opened.sliders("one.movie.path"))
    steps = np.linalg.norm(np.diff(np.concatenate([path, path[:1]]), axis=0), axis=1)
    assert steps.max() < 4 * steps.mean()  # also where it closes
    opened.page.get_by_label("Seed").first.fill("7")
    opened.page.get_by_label("Seed").first.press("Enter")
    opened.page.get_by_role("button", name="One frame on").click()
    other = np.array(opened.sliders("one.movie.path"))
    assert not np.allclose(path, other)


def test_where_motion_is_unwelcome_the_walk_is_still_pictures(open_text, offline_page):
    watched = open_text(offline_page, reduced_motion="reduce")
    watched.ready()
    assert watched.sliders("one.movie.playing") is False
    watched.page.get_by_role("button", name="Play").click()
    watched.page.wait_for_timeout(700)
    assert watched.sliders("one.movie.frame") == 0  # a film would be at frame 16
    watched.page.wait_for_function("() => document.querySelector('foveal-sliders').movie.frame === 24")


def test_a_sandbox_without_an_origin_has_all_but_the_clipboard(open_text, offline_page):
    watched = open_text(boxed(offline_page))
    frame = watched.page.frame_locator("iframe")
    frame.get_by_text("a frame of the generator itself").wait_for()
    frame.get_by_role("button", name="Random").click()
    frame.get_by_role("button", name="Copy").click()
    frame.get_by_text("Selected: press Ctrl+C").wait_for()
    assert watched.complaints == []


def test_latent_and_seed_are_copied(open_text, offline_page):
    watched = open_text(offline_page, permissions=["clipboard-read", "clipboard-write"])
    watched.ready()
    watched.page.get_by_role("button", name="Copy").click()
    watched.page.get_by_text("Copied").wait_for()
    copied = json.loads(watched.page.evaluate("navigator.clipboard.readText()"))
    assert copied == {"feature": FEATURE, "seed": 0, "z": watched.sliders("one.z")}


def test_the_address_keeps_the_picture_and_leaves_anchors_alone(open_text, offline_page):
    watched = open_text(offline_page)
    watched.ready()
    assert "#" not in watched.page.url
    watched.page.get_by_role("button", name="Random").click()
    z, fragment = watched.sliders("one.z"), "#" + watched.page.url.partition("#")[2]
    again = open_text(offline_page, fragment)
    again.ready()
    assert again.sliders("one.z") == z
    anchored = open_text(offline_page, "#appendix")
    anchored.ready()
    anchored.page.get_by_role("button", name="Random").click()
    assert anchored.page.url.endswith("#appendix")


def test_hidden_nodes_are_never_drawn(open_text, lattice):
    told = lattice.as_json(FEATURE)
    middle = sum(2 * 5**i for i in range(4))
    told["hidden"] = [middle]
    watched = open_text(sealed(f"<foveal-sliders>{block('lattice', told)}</foveal-sliders>"))
    watched.ready()
    at = "one.lattice.at([2, 2, 2, 2], one.z)"
    watched.sliders(f"one.move({at})")
    assert watched.sliders("one.kind") == "withheld"
    assert not watched.pixels().any()
    watched.sliders(f"one.settle({at})")
    assert watched.sliders("one.kind") == "exact"
    assert watched.sliders("one.lattice.node(one.lattice.places(one.z).map(Math.round))") != middle


def test_names_that_try_to_be_code_are_text(opened):
    assert opened.page.locator("foveal-sliders label", has_text=toy_frames.LABELS[2]).count() == 1
    assert (
        opened.page.evaluate(
            "document.querySelector('foveal-sliders').shadowRoot.querySelectorAll('b:not(.kind), i').length"
        )
        == 0
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_fault(open_text, offline_page, scheme):
    watched = open_text(
        offline_page.replace("script-src", "script-src 'unsafe-eval'"), color_scheme=scheme, bypass_csp=True
    )
    watched.ready()
    found = Axe().run(watched.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
