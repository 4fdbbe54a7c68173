"""The centre of the explorer in a real Chromium: sliders over a real library, the audited model asked."""

from __future__ import annotations

import base64
import io
import json

import av
import numpy as np
import planted
import pytest
from axe_playwright_python.sync_playwright import Axe
from explorer_browsing import Watch, chromium_page, until
from hostile_audit import facet, served
from opened_frames import open_frames
from PIL import Image

from foveal.samples import decode_image
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.schema import Config, Environment, Findings, LibraryRef, ModelRef
from foveal_audit.bundle.writing import generator_folder, write_bundle
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard
from foveal_audit.generators import fit_generator
from foveal_audit.generators.storage import WEIGHTS, weights_bytes
from foveal_audit.units.appearance import resize_crop

pytestmark = pytest.mark.slow
FEATURE = "fc1:2"
ONE = "document.querySelector('foveal-sliders')"
RESTS = f"() => {{ const one = {ONE}; return one?.frame && !one.exact.asking && !one.movie.busy; }}"


@pytest.fixture(scope="module")
def bundle(planted_library, tmp_path_factory):
    """Audit the library by hand: one facet, whose generator is learned."""
    model, folder = planted.model(), tmp_path_factory.mktemp("audit") / "bundle"
    about = ModelRef(
        name="planted", sha256=model.sha256, labels=list(model.labels), uri="python:planted:model"
    )
    found = Findings.of(
        [facet(planted_library, FEATURE, 0, "confirmed", 0.9)], [], seed=0, model=about,
        library=LibraryRef(name="planted", run_id=planted_library.run_id, uri=planted_library.uri),
        config=Config(sha256="0" * 64), environment=Environment(sha256="0" * 64),
    )  # fmt: skip
    write_bundle(AuditResult(found), folder, documents={})
    entries = planted_library.query(feature=FEATURE).sample(60)
    crops = np.stack([resize_crop(decode_image(one.crop, one.id)) for one in entries])
    weights = folder / generator_folder(FEATURE) / WEIGHTS
    weights.parent.mkdir(parents=True)
    weights.write_bytes(weights_bytes(fit_generator(crops, kind="pca-gmm")))
    return folder


@pytest.fixture(scope="module")
def frames(bundle, planted_library):
    return open_frames(bundle / generator_folder(FEATURE), FEATURE, planted_library, planted.model())


@pytest.fixture(scope="module")
def window(bundle, planted_library, chromium):
    exhibits, guard = open_exhibits(bundle, "planted", (), planted_library.tracking_uri), Guard()
    with served(exhibits, guard) as base, chromium_page(chromium) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base)
        page.watch = Watch(page, base)
        page.goto(f"{base}/?token={guard.token}")
        page.address = f"{base}/entries?feature=fc1%3A2"
        yield page


@pytest.fixture
def page(window):
    """Open the feature's page, its sliders in view; nothing may be complained of."""
    window.watch.faults.clear()
    window.goto("about:blank")
    window.goto(window.address)
    window.locator("foveal-sliders").scroll_into_view_if_needed()
    until(window, RESTS)
    until(window, f"() => {ONE}.settled !== undefined && {ONE}.first !== undefined")
    yield window
    assert window.watch.faults == []


def sliders(page, expression):
    return page.evaluate(f"() => {{ const one = {ONE}; return {expression}; }}")


def pixels(page):
    text = sliders(page, "one.parts.canvas.toDataURL()")  # reading the canvas often makes Chromium complain
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB"))


def exact(frames, z):
    return np.asarray(Image.open(io.BytesIO(frames.frame(z).image)).convert("RGB"))


def drag(page, number, shares):
    """Drag a slider by the mouse without letting go; gives the picture at each stop."""
    box = page.locator("foveal-sliders input[type=range]").nth(number).bounding_box()
    y, seen = box["y"] + box["height"] / 2, []
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for share in shares:
        page.mouse.move(box["x"] + share * box["width"], y)
        until(page, RESTS)
        seen.append(pixels(page))
    return seen


def test_a_drag_morphs_and_on_release_the_frame_is_the_generators_own(page, frames):
    shown = drag(page, 0, (0.6, 0.75, 0.9))
    assert len({one.tobytes() for one in shown}) == 3
    page.mouse.up()
    until(page, RESTS)
    z = sliders(page, "one.z")
    assert sliders(page, "one.frame.z") == z
    assert sliders(page, "[one.kind, one.parts.kind.textContent]") == ["exact", "exact"]
    assert np.array_equal(pixels(page), exact(frames, z))
    assert f"z%3Afc1%3A2={'%2C'.join(map(str, z))}".replace("%2C", ",") in sliders(
        page, "location.hash"
    ).replace("%2C", ",")


def test_the_models_value_comes_by_itself_beside_three_real_crops(page, frames):
    until(page, f"() => {ONE}.frame.activation !== null")  # nobody has moved anything
    told = frames.frame(sliders(page, "one.z"))
    low, high = told.activation.low, told.activation.high
    assert sliders(page, "one.parts.activation.textContent") == (
        f"The audited model's value here: {told.activation.value:.2f} "
        f"(most real crops: {low:.2f} to {high:.2f})."
    )
    until(
        page, f"() => [...{ONE}.shadowRoot.querySelectorAll('.nearest img')].every((one) => one.naturalWidth)"
    )
    words = [f"distance {one.distance:.3f}" for one in told.nearest]
    assert page.locator("foveal-sliders .nearest li").all_inner_texts() == words
    assert sliders(page, "one.frame.pending") is False


def test_keys(page, frames):
    first, slider = sliders(page, "one.z"), page.locator("foveal-sliders input[type=range]").nth(1)
    slider.focus()
    for key in ("ArrowRight", "PageUp", "End", "Home"):
        before = sliders(page, "one.z[1]")
        page.keyboard.press(key)
        until(page, RESTS)
        assert sliders(page, "one.z[1]") != before
    low = sliders(page, "one.told.axes[1].low")
    assert sliders(page, "one.z[1]") == pytest.approx(low)
    assert np.array_equal(pixels(page), exact(frames, sliders(page, "one.z")))
    page.keyboard.press("u")
    until(page, RESTS)
    assert sliders(page, "one.z[1]") != pytest.approx(low)
    page.keyboard.press("0")
    until(page, RESTS)
    assert sliders(page, "one.z") == first
    page.keyboard.press("r")
    until(page, RESTS)
    assert sliders(page, "one.z") == pytest.approx(frames.drawn(1).z.tolist(), abs=1e-5)
    page.keyboard.press("p")
    until(page, f"() => {ONE}.movie.frame > 2")
    page.keyboard.press("p")
    until(page, f"() => !{ONE}.movie.playing")
    at = sliders(page, "one.movie.frame")
    for key, frame in ((".", at + 1), (".", at + 2), (",", at + 1)):
        page.keyboard.press(key)
        until(page, f"() => {ONE}.movie.frame === {frame % 144}")


def test_the_walk_plays_pauses_and_follows_its_seed(page, frames):
    play, seed = page.get_by_role("button", name="Play"), page.get_by_role("spinbutton", name="Seed")
    walks = []
    for number in ("3", "4"):
        seed.fill(number)
        seed.press("Tab")
        play.click()
        until(page, f"() => {ONE}.movie.frame > 3")
        page.get_by_role("button", name="Pause").click()
        until(page, RESTS)
        walks.append(sliders(page, "one.movie.path"))
        assert sliders(page, "one.z") == pytest.approx(walks[-1][sliders(page, "one.movie.frame")], abs=1e-5)
        assert np.array_equal(pixels(page), exact(frames, sliders(page, "one.z")))
        assert np.allclose(walks[-1], frames.walk(int(number), 144), atol=1e-5)
    assert walks[0] != walks[1]


def test_the_walk_is_saved_as_a_movie_that_can_be_decoded(page, frames):
    page.get_by_role("spinbutton", name="Seed").fill("5")
    page.get_by_role("spinbutton", name="Seed").press("Tab")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as MP4").click()
    assert download.value.suggested_filename == "walk.mp4"
    with av.open(str(download.value.path())) as movie:
        stream = movie.streams.video[0]
        pictures = [one.to_ndarray(format="rgb24") for one in movie.decode(video=0)]
    assert len(pictures) >= 24
    assert stream.codec_context.name == "h264"
    assert np.std(pictures, axis=0).max() > 2  # something moves


def test_the_latent_is_copied_with_its_seed(page):
    page.get_by_role("button", name="Copy").click()
    until(page, f"() => {ONE}.parts.said.textContent === 'Copied'")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == {
        "feature": FEATURE, "seed": sliders(page, "one.seed"), "z": sliders(page, "one.z"),
    }  # fmt: skip


def test_far_from_what_it_learned_there_is_a_warning(page):
    assert not page.locator("foveal-sliders .warning").is_visible()
    page.evaluate(
        f"() => {ONE}.shadowRoot.querySelectorAll('details').forEach((one) => {{ one.open = true; }})"
    )
    for slider in page.locator("foveal-sliders .axis input").all():
        slider.press("End")
    until(page, RESTS)
    assert "Off the beaten track" in page.locator("foveal-sliders .warning").inner_text()


def test_before_the_first_frame_the_canvas_says_so_and_nothing_is_inaccessible(page):
    held = []
    page.route("**/frames/**", lambda route, _: held.append(route) if len(held) < 1 else route.continue_())
    page.goto("about:blank")
    page.goto(page.address)
    page.locator("foveal-sliders").scroll_into_view_if_needed()
    until(page, f"() => Boolean({ONE}?.parts)")
    assert sliders(page, "one.parts.canvas.getAttribute('aria-label')") == "Picture of fc1:2, not there yet"
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    for route in held:
        route.continue_()
    until(page, RESTS)
    page.unroute("**/frames/**")
