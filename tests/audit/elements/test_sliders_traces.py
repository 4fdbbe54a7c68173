"""The sliders of a trace: its values travel, and the page draws the strip chart."""

import numpy as np
import pytest
import toy_frames
from element_pages import block, sealed

from foveal_audit.lattice import Frames, make_lattice
from foveal_audit.lattice.nodes import still

pytestmark = pytest.mark.slow
WIDTH, LANE, MARGIN, STEPS = 384, 160, 7, 64
ANSWERED = (
    "() => { const one = document.querySelector('foveal-sliders'); return one.frame && !one.exact.asking; }"
)


@pytest.fixture(scope="module")
def traces():
    return make_lattice(toy_frames.learned_traces().generator, axes=2, steps=3, labels=("higher", "later"))


def drawn(watched):
    """Row of the line in every lane and column, as shares of the lane; the span of dark rows too."""
    dark = watched.pixels()[..., 0] < 128
    assert dark.shape == (2 * LANE, WIDTH)
    lanes = dark.reshape(2, LANE, WIDTH)
    rows = np.arange(LANE)[:, None]
    middle = (lanes * rows).sum(1) / lanes.sum(1)
    lowest, highest = LANE - lanes[:, ::-1].argmax(1), lanes.argmax(1)
    assert (lanes.sum(1) == lowest - highest).all()  # one line, and no second one beside it
    return 1 - (middle - MARGIN) / (LANE - 1 - 2 * MARGIN)


def shown(z):
    """Give what the generator makes of a latent, at every column."""
    generator = toy_frames.learned_traces().generator
    (crop,) = still(generator, np.array([z], np.float32))
    at = (np.arange(WIDTH) + 0.5) / WIDTH * (STEPS - 1)
    return np.stack([np.interp(at, np.arange(STEPS), channel) for channel in crop])


def test_a_trace_is_drawn_as_one_line_in_each_lane_and_between_nodes_as_well(open_text, traces):
    text = sealed(f"<foveal-sliders>{block('lattice', traces.as_json('fc1:7'))}</foveal-sliders>")
    watched = open_text(text)
    watched.ready()
    z = watched.sliders("one.z")
    assert watched.sliders("one.kind") == "exact"
    np.testing.assert_allclose(drawn(watched), shown(z), atol=0.02)
    between = [z[0] + 0.2 * float(traces.nodes.high[0] - traces.nodes.low[0]), *z[1:]]
    watched.page.evaluate("z => document.querySelector('foveal-sliders').move(z)", between)
    assert watched.sliders("one.kind") == "blend"
    assert watched.complaints == []  # before the second look at the pixels, at which a browser frowns
    drawn(watched)


def test_an_exact_frame_of_a_trace_comes_from_a_server_and_is_drawn_alike(open_page, traces):
    served = pytest.importorskip("served_elements")
    found = toy_frames.learned_traces()
    frames = Frames(found.generator, toy_frames.real_crops(found))
    with served.running(served.app(frames, traces.as_json("fc1:7", "/frames/toy"))) as address:
        watched = open_page(address)
        watched.ready()
        watched.page.wait_for_function(ANSWERED)
        z = watched.sliders("one.z")
        np.testing.assert_allclose(drawn(watched), shown(z), atol=0.02)
        pictures = watched.page.locator("foveal-sliders .nearest img")
        assert pictures.first.evaluate("one => one.decode().then(() => one.naturalWidth)") == 128
        assert watched.complaints == []
