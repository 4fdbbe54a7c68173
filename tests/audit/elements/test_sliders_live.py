"""The sliders with a server behind them: exact frames while dragging."""

import io

import av
import numpy as np
import pytest
import toy_frames
from PIL import Image

pytestmark = pytest.mark.slow
ANSWERED = (
    "() => { const one = document.querySelector('foveal-sliders'); return one.frame && !one.exact.asking; }"
)


@pytest.fixture
def live(open_page, site):
    watched = open_page(site)
    watched.ready()
    watched.page.wait_for_function(ANSWERED)
    return watched


def rgb(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def drag(page, slider, shares):
    box = page.locator("foveal-sliders input[type=range]").nth(slider).bounding_box()
    y, seen = box["y"] + box["height"] / 2, []
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + share * box["width"], y)
        page.wait_for_function(ANSWERED)
        seen.append((page.evaluate("document.querySelector('foveal-sliders').frame.z"), page))
    return [z for z, _ in seen]


def test_frames_follow_the_slider_and_on_release_it_is_the_generators_own(live, frames):
    shown = drag(live.page, 0, (0.55, 0.65, 0.8, 0.9))
    assert len({tuple(z) for z in shown}) == 4
    assert live.sliders("one.kind") == "exact"  # a server's frames are exact while dragging as well
    live.page.mouse.up()
    live.page.wait_for_function(ANSWERED)
    z = live.sliders("one.z")
    assert live.sliders("one.frame.z") == z
    assert np.array_equal(live.pixels(), rgb(frames.frame(z).image))
    assert live.complaints == []


def test_every_frame_says_what_the_model_makes_of_it_beside_three_real_crops(live, frames):
    told = frames.frame(live.sliders("one.z"))
    live.page.get_by_text(f"The audited model's value here: {told.activation.value:.2f}").wait_for()
    pictures = live.page.locator("foveal-sliders .nearest img")
    assert pictures.count() == 3
    assert live.page.get_by_text(f"distance {told.nearest[0].distance:.3f}").count() >= 1
    live.page.wait_for_function(
        "() => [...document.querySelector('foveal-sliders').shadowRoot.querySelectorAll('img')]"
        ".every((one) => one.complete && one.naturalWidth === 32)"
    )


def test_random_is_a_served_draw(live, frames):
    live.page.get_by_role("button", name="Random").click()
    live.page.wait_for_function(
        "() => document.querySelector('foveal-sliders').frame.z.length && "
        "document.querySelector('foveal-sliders').undone.length === 1"
    )
    live.page.wait_for_function(ANSWERED)
    assert live.sliders("one.z") == pytest.approx(frames.drawn(1).z.tolist(), abs=1e-5)
    assert np.array_equal(live.pixels(), rgb(frames.drawn(1).image))


def test_all_axes_have_a_slider(live):
    sliders = live.page.locator("foveal-sliders input[type=range]")
    assert sliders.count() == toy_frames.learned().generator.latent_dim
    live.page.get_by_text("more axes").click()
    before = live.pixels()
    sliders.nth(4).press("End")
    live.page.wait_for_function(ANSWERED)
    assert not np.array_equal(live.pixels(), before)


def test_far_off_settings_are_warned_of(live):
    live.page.get_by_text("more axes").click()
    for slider in live.page.locator("foveal-sliders .axis input").all():
        slider.press("End")
    live.page.get_by_text("Off the beaten track").wait_for()


def test_walk_plays_exact_frames_and_is_saved_as_a_movie(live):
    live.page.get_by_role("button", name="Play").click()
    live.page.wait_for_function("() => document.querySelector('foveal-sliders').movie.frame >= 4")
    assert live.sliders("one.kind") == "exact"
    live.page.get_by_role("button", name="Pause").click()
    with live.page.expect_download() as download:
        live.page.get_by_role("link", name="Save as MP4").click()
    with av.open(str(download.value.path())) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 120


def test_a_slow_model_is_asked_on_release_only(live):
    asked = []
    live.page.on("request", lambda request: asked.append(request.url))
    live.sliders("one.modelCost = 100")
    drag(live.page, 1, (0.6, 0.7))
    assert asked
    assert all("part=picture" in url for url in asked if "z=" in url)
    asked.clear()
    live.page.mouse.up()
    live.page.wait_for_function(ANSWERED)
    assert [url for url in asked if "z=" in url and "part=picture" not in url]


def test_where_the_server_is_gone_precomputed_pictures_are_shown(live):
    live.page.route("**/frames/**", lambda route: route.abort())
    drag_to = live.page.locator("foveal-sliders input[type=range]").first
    drag_to.press("Home")
    live.page.get_by_text("Precomputed pictures are shown instead.").wait_for()
    assert live.sliders("one.kind") in ("exact", "blend")
    assert live.sliders("one.lattice.isNode(one.z)") is (live.sliders("one.kind") == "exact")
