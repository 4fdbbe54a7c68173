"""How often the audit itself errs."""

import json
from importlib.resources import files

import pytest

from foveal_audit.report.error_rates import RATES, measured_rates, read_rates

RECORD = {
    "provenance": {"plan": "smoke", "seed": 3},
    "rates": [{"of": "artefacts", "found": 11, "all": 16}, {"of": "inert", "found": 0, "all": 9}],
    "false_groups": {"groups": 6, "models": 25},
}


def test_shares_and_intervals():
    """Wilson by hand: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), z = 1.96."""
    made = read_rates(RECORD)
    flagged, inert = made.rates["artefacts"], made.rates["inert"]
    assert flagged.share == pytest.approx(0.6875)
    assert (flagged.low, flagged.high) == pytest.approx((0.4440, 0.8584), abs=2e-4)
    assert (inert.low, inert.high) == pytest.approx((0.0, 0.2991), abs=2e-4)
    assert (made.false_groups, made.models) == (6, 25)
    assert made.provenance == [("plan", "smoke"), ("seed", "3")]


def test_the_packaged_figures_are_whole_and_say_where_they_come_from():
    record = json.loads((files("foveal_audit.report") / "error_rates.json").read_text("utf-8"))
    made = measured_rates()
    assert set(made.rates) == set(RATES)
    assert all(
        0 <= one.found <= one.total and one.low <= one.share <= one.high for one in made.rates.values()
    )
    assert {name for name, _ in made.provenance} == {"plan", "seed", "models", "command", "code", "date"}
    assert record["provenance"]["models"] == record["false_groups"]["models"]
