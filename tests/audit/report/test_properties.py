"""Properties of whole pictures: their words, and the pictures of what is carried over."""

import numpy as np
import pytest
from PIL import Image

from foveal_audit.bundle.schema import Effect, Effects
from foveal_audit.report import properties, wording


def test_the_statement_speaks_of_whole_pictures(facet, rim):
    one = facet(
        rim,
        verdict="genuine",
        classes={"disc": 1.0},
        effects=Effects(
            removal=Effect(estimate=0.4, low=0.3, high=0.5), paste=Effect(estimate=0.2, low=0.1, high=0.3)
        ),
    )
    assert wording.statement(one) == (
        "The model goes by a property of the whole picture: little brightness along the rim. "
        "Where it shows, the answer is most often \u201cdisc\u201d (100% of the pictures that carry it). "
        "Taking it away from its pictures takes 0.40 (0.30 to 0.50) off the probability of that answer. "
        "Carrying it over to other pictures adds 0.20 (0.10 to 0.30) to the probability of that answer."
    )
    assert wording.effect_terms(one)["paste"].name == "Carried over"
    assert wording.effect_terms(facet({}))["paste"].name == "Paste"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("property:noise", 3.0, "much grain"),
        ("property:blocks", 3.0, "much blocks, as JPEG makes them"),
        ("property:channel 2", -1.0, "little of colour channel 2"),
        ("property:new", 1.0, "much new"),
        ("property_ubiquity", 1.0, "something that the other pictures lack"),
    ],
)
def test_what_carriers_have(facet, name, value, words):
    assert properties.carriers_have(facet({name: value})) == words


def test_a_detail_is_no_property(facet, rim):
    assert properties.is_property(facet(rim))
    assert not properties.is_property(facet({"position_lock": 1.0}))
    assert properties.carried(facet({"position_lock": 1.0})) is None
    assert properties.made_visible(Image.new("RGB", (10, 10)), facet({"carried_over:new": 1.0})) is None


def test_of_a_rim_only_the_rim_is_shown(facet, rim):
    shown = np.asarray(properties.made_visible(Image.new("RGB", (20, 20), (200, 10, 10)), facet(rim)))
    assert (shown[2:18, 2:18] == 128).all()
    assert (shown[[0, 1, 18, 19]] == (200, 10, 10)).all()
    assert (shown[:, [0, 1, 18, 19]] == (200, 10, 10)).all()


def test_of_colours_the_mean_is_shown(facet):
    half = Image.new("RGB", (10, 10), (200, 0, 0))
    half.paste((0, 100, 0), (0, 0, 5, 10))
    shown = properties.made_visible(half, facet({"carried_over:colour": 1.0}))
    assert (np.asarray(shown) == (100, 50, 0)).all()


@pytest.mark.parametrize("component", ["spectrum", "detail"])
def test_of_texture_what_is_fine_is_shown_stronger(facet, component):
    flat, dotted = np.full((2, 40, 40, 3), 100, np.uint8)
    dotted[20, 20] = 120
    one = facet({f"taken_away:{component}": 1.0})
    assert (np.asarray(properties.made_visible(Image.fromarray(flat), one)) == 128).all()
    shown = np.asarray(properties.made_visible(Image.fromarray(dotted), one))
    assert (shown[20, 20] > 128 + 3 * 15).all()
    assert (shown[0, 0] == 128).all()
