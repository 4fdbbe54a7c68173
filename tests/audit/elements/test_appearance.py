"""How the elements look: pictures that somebody has looked at; FOVEAL_GOLDEN=write makes new ones."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "golden"
CALM = 8  # pixels that are averaged: fonts differ from machine to machine


def compare(page, name):
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = HERE / f"{name}.png"
    if os.environ.get("FOVEAL_GOLDEN") == "write":
        HERE.mkdir(exist_ok=True)
        shot.quantize(64).save(path, optimize=True)
    golden = Image.open(path).convert("RGB")
    assert shot.size == golden.size
    size = (shot.width // CALM, shot.height // CALM)
    ours, known = (np.asarray(one.resize(size, Image.Resampling.BOX), float) for one in (shot, golden))
    assert np.abs(ours - known).mean() < 4
    assert np.abs(ours - known).max() < 140


@pytest.mark.parametrize(("width", "height", "scheme"), [(1000, 480, "light"), (500, 720, "dark")])
def test_sliders(open_text, offline_page, width, height, scheme):
    watched = open_text(offline_page, color_scheme=scheme)
    watched.page.set_viewport_size({"width": width, "height": height})
    watched.ready()
    watched.page.get_by_role("button", name="Random").click()
    compare(watched.page, f"sliders-{scheme}-{width}")


def test_live(open_page, site):
    watched = open_page(site)
    watched.page.set_viewport_size({"width": 1000, "height": 620})
    watched.ready()
    watched.page.get_by_role("button", name="Random").click()
    watched.page.wait_for_function("() => document.querySelector('foveal-sliders').undone.length === 1")
    watched.page.wait_for_load_state("networkidle")
    compare(watched.page, "live")
