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
        "Learned from 331 crops.",
        "The variants cover 74% of crops that were held out.",
        "A classifier tells them from real ones in 55% of cases (chance: 50%).",
        "They excite the unit 0.98 times as often as real crops do.",
        "0% of them look like a crop it learned from.",
        "Only 11 crops were held out: the figures are rough.",
    ]


def test_what_was_not_measured_is_not_said():
    assert quality({"coverage": None, "activation": {"real": 1.0}, "memorised": None}) == []
    assert quality({}) == []


def test_a_generator_that_memorised_says_why_nothing_is_shown():
    assert quality({"memorised": True}) == ["It memorised its crops, so its pictures are not shown."]
