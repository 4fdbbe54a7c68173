"""What the report says of a generator's quality."""

from foveal_audit.report.quality import quality


def test_a_card_in_sentences():
    card = {
        "n_train": 331,
        "coverage": 0.744,
        "c2st": 0.55,
        "activation": {"real": 0.6, "generated": 0.59, "relative": 0.983},
        "copies": 0.0,
        "memorised": False,
        "axes": [{"words": "brighter"}],
        "notes": ["Only 11 crops were held out: the figures are rough."],
    }
    assert quality(card) == [
        (
            "A sketch, learned from 331 crops: it covers 74% of crops that were held out, a classifier tells "
            "its pictures from real ones in 55% of cases, 0% are near-copies of a crop it learned from."
        ),
        "Warnings: card.json.",
    ]


def test_a_generator_of_which_its_card_warns_of_nothing_is_usable():
    assert quality({"n_train": 1, "coverage": 0.9, "notes": []}) == [
        "Usable, learned from 1 crop: it covers 90% of crops that were held out."
    ]
    assert quality({"notes": ["Nothing could be measured."]}) == ["A sketch; its card.json says why."]


def test_what_was_not_measured_is_not_said():
    assert quality({"coverage": None, "activation": {"real": 1.0}, "memorised": None}) == []
    assert quality({}) == []


def test_a_generator_that_memorised_says_why_nothing_is_shown():
    assert quality({"memorised": True}) == ["It memorised its crops, so its pictures are not shown."]
