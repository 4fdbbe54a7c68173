import numpy as np
import pytest
from scipy.stats import spearmanr

from foveal_audit.generators.associations import associations
from foveal_audit.generators.axes import describe_axes
from foveal_audit.generators.generator import Origin
from foveal_audit.generators.looks import LOOKS, measure_looks
from foveal_audit.generators.mixture import Mixture
from foveal_audit.generators.pca import PcaGenerator, PrincipalAxes
from foveal_audit.generators.trace_looks import TRACE_LOOKS

ROWS, COLUMNS = np.mgrid[:32, :32] / 31


def blob(y=0.5, x=0.5, size=0.1, height=0.4):
    return 0.3 + height * np.exp(-((ROWS - y) ** 2 + (COLUMNS - x) ** 2) / (2 * size**2))


def stripes(angle):
    return 0.5 + 0.2 * np.sin(40 * (np.cos(angle) * COLUMNS + np.sin(angle) * ROWS))


def grey(*pictures):
    return np.stack(pictures)[:, None].astype(np.float32)


def tinted(channel):
    crop = np.full((3, 32, 32), 0.3, np.float32)
    crop[channel] += 0.3
    return crop


def ball(z=0.5, y=0.5):
    depths, rows, columns = np.mgrid[:16, :16, :16] / 15
    ball = 0.4 * np.exp(-((depths - z) ** 2 + (rows - y) ** 2 + (columns - 0.5) ** 2) / 0.02)
    return (0.3 + ball).astype(np.float32)


def bump(at=0.5, width=0.05, height=0.4, level=0.3, rise=0.0, noise=0.0):
    """A trace of two channels with one bump, (2, 64)."""
    times = np.linspace(0, 1, 64)
    trace = level + height * np.exp(-(((times - at) / width) ** 2)) + rise * (times - 0.5)
    return (trace + np.random.default_rng(0).normal(0, noise, (2, 64))).astype(np.float32)


#: Statistic and two crops, the second with more of it.
PAIRS = {
    "brightness": grey(blob(), blob() + 0.2),
    "contrast": grey(blob(height=0.2), blob(height=0.6)),
    "sharpness": grey(blob(size=0.2), blob(size=0.05)),
    "size": grey(blob(size=0.06), blob(size=0.14)),
    "height": grey(blob(y=0.7), blob(y=0.3)),
    "side": grey(blob(x=0.3), blob(x=0.7)),
    "uprightness": grey(stripes(np.pi / 2), stripes(0)),
    "slant": grey(stripes(-np.pi / 4), stripes(np.pi / 4)),
    "redness": np.stack([tinted(1), tinted(0)]),
    "greenness": np.stack([tinted(2), tinted(1)]),
    "blueness": np.stack([tinted(0), tinted(2)]),
    "colourfulness": np.stack([np.full((3, 32, 32), 0.4, np.float32), tinted(0)]),
    "depth": grey(ball(z=0.3), ball(z=0.7)),
    "level": np.stack([bump(level=0.2), bump(level=0.3)]),
    "swing": np.stack([bump(height=0.2), bump(height=0.4)]),
    "roughness": np.stack([bump(noise=0.01), bump(noise=0.05)]),
    "length": np.stack([bump(width=0.04), bump(width=0.12)]),
    "moment": np.stack([bump(at=0.3), bump(at=0.6)]),
    "trend": np.stack([bump(rise=-0.1), bump(rise=0.3)]),
    "peaks": np.stack([bump(height=-0.2), bump(height=0.2)]),
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_statistic_grows_with_what_it_is_named_after(look):
    low, high = measure_looks(PAIRS[look])[look]
    assert high > low + 1e-3


def test_grey_pictures_have_no_colour():
    assert set(LOOKS) - set(measure_looks(grey(blob()))) - set(TRACE_LOOKS) == {
        "redness",
        "greenness",
        "blueness",
        "colourfulness",
        "depth",
    }


def test_a_volume_has_a_height_and_a_depth_and_a_trace_has_neither():
    low, high = measure_looks(grey(ball(y=0.7), ball(y=0.3)))["height"]
    assert high > low + 0.1
    assert set(measure_looks(grey(ball()))) == {
        "brightness",
        "contrast",
        "sharpness",
        "size",
        "height",
        "side",
        "depth",
    }
    assert set(measure_looks(bump()[None])) == set(TRACE_LOOKS)


def test_a_trace_that_only_gets_longer_gets_neither_later_nor_steeper():
    looks = measure_looks(np.stack([bump(width=0.04), bump(width=0.12)]))
    for name in ("moment", "trend"):
        assert looks[name][0] == pytest.approx(looks[name][1], abs=1e-3)


@pytest.fixture(scope="module")
def known():
    """A generator whose first axis makes a blob brighter and whose second moves it to the right."""
    middle, light = blob(), 0.1 * np.ones((32, 32))
    aside = 0.5 * (blob(x=0.58) - blob(x=0.42))
    basis = np.stack([light.ravel(), aside.ravel()], 1).astype(np.float32)
    axes = PrincipalAxes(middle.ravel().astype(np.float32), basis, np.linalg.pinv(basis).astype(np.float32))
    unit = Mixture(*(np.array(x, np.float32) for x in ([1], [[0, 0]], [[1, 1]])))
    return PcaGenerator((1, 32, 32), np.ones(2, np.float32), unit, axes, origin=Origin("pca-gmm", 200, 0))


def test_axes_are_named_by_what_changes_along_them(known):
    crops = known.sample(200, 5)
    first, second = describe_axes(known, crops)
    assert first["words"].startswith("brighter")
    assert second["words"].startswith("further right")
    assert first["variance"] > second["variance"]
    assert first["variance"] + second["variance"] == pytest.approx(1, abs=1e-3)
    change = first["changes"][0]
    assert change["low"] <= change["effect"] <= change["high"]
    assert change["effect"] == pytest.approx(2, abs=0.4)  # from -1 to +1 of what is spread by 1


def test_an_axis_that_goes_with_a_column_says_so(known):
    crops = known.sample(200, 5)
    z = known.encode(crops)
    rng = np.random.default_rng(0)
    metadata = {
        "site": np.where(z[:, 0] > 0, "A", "B").tolist(),
        "dose": (z[:, 1] + 0.5 * rng.standard_normal(200)).round(3).astype(str).tolist(),
        "nurse": rng.choice(["x", "y", "z"], 200).tolist(),
        "empty": [""] * 200,
    }
    first, second = describe_axes(known, crops, metadata)
    assert (first["metadata"][0]["column"], first["metadata"][0]["measure"]) == ("site", "epsilon2")
    assert first["metadata"][0]["effect"] == pytest.approx(0.75, abs=0.03)  # two halves of the ranks
    dose = second["metadata"][0]
    assert (dose["column"], dose["measure"]) == ("dose", "spearman")
    assert dose["effect"] == pytest.approx(
        spearmanr(z[:, 1], np.array(metadata["dose"], float)).statistic, abs=1e-3
    )
    assert dose["q"] < 1e-10
    assert {one["column"] for one in first["metadata"] + second["metadata"]} == {"site", "dose"}


def test_windows_of_one_sample_count_once():
    z = np.repeat(np.random.default_rng(1).standard_normal((12, 1)), 20, axis=0)
    site = np.where(z[:, 0] > 0, "A", "B").tolist()
    assert associations(z, {"site": site})
    assert associations(z, {"site": site}, [row // 20 for row in range(240)]) == []


def test_chance_is_rarely_taken_for_an_association():
    rng = np.random.default_rng(2)
    found = [
        bool(associations(rng.standard_normal((60, 8)), {"site": rng.choice(["A", "B", "C"], 60).tolist()}))
        for _ in range(100)
    ]
    assert sum(found) <= 11  # 5 % of 100, with room for chance
