"""The overlay: one crop, its map, and both."""

import base64
import io

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from element_pages import block, sealed
from PIL import Image

from foveal_audit.elements import entry_block

pytestmark = pytest.mark.slow
CROP = (np.arange(64).reshape(8, 8, 1) * 4).astype(np.uint8)
MAP = np.array([[-5.0, 0.0], [1.0, 4.0]], np.float32)


@pytest.fixture
def show(open_text):
    def opened(crop=CROP, evidence=MAP, **settings):
        told = entry_block(crop, evidence, "entry <b>7</b>")
        watched = open_text(
            sealed(f"<foveal-overlay>{block('entry', told)}</foveal-overlay>", "overlay"), **settings
        )
        watched.ready("foveal-overlay")
        return watched

    return opened


def drawn(watched):
    """Read the drawing, (384, 384, 3): 48 pixels to one of the crop."""
    text = watched.page.evaluate("document.querySelector('foveal-overlay').parts.canvas.toDataURL()")
    picture = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2])))
    return np.asarray(picture.convert("RGB")).astype(int)


def setting(watched, **changes):
    for name, value in changes.items():
        watched.page.evaluate(
            "([name, value]) => document.querySelector('foveal-overlay').change(name, value)", [name, value]
        )


def test_the_crop_alone_is_the_crop(show):
    watched = show()
    setting(watched, mode="crop")
    assert (drawn(watched)[24::48, 24::48] == CROP).all()
    assert watched.complaints == []


def test_the_map_shows_positive_evidence_from_dark_to_bright(show):
    watched = show()
    setting(watched, mode="map", smooth=False, contour=False)
    picture = drawn(watched)
    assert picture[96, 96].tolist() == [0, 34, 78]  # negative evidence counts as none
    assert picture[96, 288].tolist() == [0, 34, 78]
    assert picture[288, 288].tolist() == [254, 232, 56]
    assert picture[288, 96].tolist() == pytest.approx([59, 73, 108], abs=1)  # a quarter of the strongest


def test_the_overlay_mixes_by_opacity_times_evidence(show):
    watched = show()
    setting(watched, smooth=False, contour=False, opacity=0.5)
    under, picture = np.repeat(CROP[6, 6], 3), drawn(watched)[6 * 48 + 24, 6 * 48 + 24]
    assert picture == pytest.approx(under + (np.array([254, 232, 56]) - under) * 0.5, abs=1)
    setting(watched, opacity=0)
    assert (drawn(watched)[24::48, 24::48] == CROP).all()


def test_the_outline_runs_round_half_of_the_strongest_evidence(show):
    watched = show()
    setting(watched, mode="overlay", smooth=False, opacity=0)
    picture = drawn(watched)
    assert (picture[192, 200:380] == 255).all()  # inside, along the upper edge of the strongest quarter
    assert (picture[191, 200:380] == 20).all()


def test_sixteen_bits_reach_the_window(show):
    crop = np.array([[[1000], [1010]], [[1020], [60000]]], np.uint16).repeat(4, 0).repeat(4, 1)
    watched = show(crop)
    setting(watched, mode="crop", contour=False)
    picture = drawn(watched)
    assert picture[24, 24].tolist() == picture[24, 300].tolist()  # 8 bits do not tell them apart
    setting(watched, level=1010 / 65535, window=20 / 65535)
    picture = drawn(watched)
    shown = [int(picture[y, x, 0]) for y, x in ((24, 24), (24, 300), (300, 24), (300, 300))]
    assert shown == pytest.approx([0, 127.5, 255, 255], abs=0.6)


def test_keys(show):
    watched = show()
    page = watched.page
    page.locator("foveal-overlay .picture").focus()
    state = "document.querySelector('foveal-overlay').set"
    page.keyboard.press("o")
    assert page.evaluate(f"{state}.mode") == "crop"
    page.keyboard.press("o")
    page.keyboard.press("o")
    page.keyboard.press("]")
    assert page.evaluate(f"{state}.opacity") == pytest.approx(0.7)
    page.keyboard.press("[")
    page.keyboard.press("c")
    assert page.evaluate(f"{state}.contour") is False
    with_map = drawn(watched)
    page.keyboard.down("h")
    assert (drawn(watched)[24::48, 24::48] == CROP).all()
    page.keyboard.up("h")
    assert np.array_equal(drawn(watched), with_map)


def test_a_map_that_is_not_finite_counts_as_none(show):
    watched = show(evidence=np.array([[np.nan, np.inf], [-np.inf, 2.0]], np.float32))
    setting(watched, mode="map", smooth=False, contour=False)
    assert drawn(watched)[96, 96].tolist() == [0, 34, 78]
    assert drawn(watched)[288, 288].tolist() == [254, 232, 56]


def test_no_serious_accessibility_fault(show):
    watched = show(bypass_csp=True)
    found = Axe().run(watched.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
