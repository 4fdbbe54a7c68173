from __future__ import annotations

import pytest

from foveal.doctor import Surroundings, examine
from foveal.doctor.checks import CHECKS

NAMES = [
    *("python", "packages", "torchserve", "java"),
    *("management-address", "metrics-address", "no-tokens", "model-api", "open-urls", "auto-metrics"),
    *("model-dependencies", "unlimited-images", "environment-settings", "ports", "tokens-in-clear"),
    *("metrics-file", "metrics-mode", "threads", "mlflow", "mlflow-version", "clock"),
    *("spool-folder", "disk", "quota", "shipper", "quarantine", "losses"),
]


def test_the_register_holds_every_check_in_its_order():
    assert list(CHECKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_check_says_why(name):
    why, _ = CHECKS[name]
    assert why[0].isupper()
    assert not why.endswith(".")


def test_every_verdict_that_is_not_well_says_what_to_paste(everything, configured, tmp_path):
    surroundings = {**configured("enable_model_api=true"), "spool": tmp_path / "none"}
    for answer in everything(**surroundings, tracking_uri="http://127.0.0.1:9"):
        if answer.verdict.status.value in ("warning", "failure"):
            assert answer.verdict.paste, answer


def test_a_check_that_fails_itself_stops_no_other(monkeypatch):
    def broken(_):
        raise RuntimeError("no such thing")
        yield

    monkeypatch.setitem(CHECKS, "java", ("Why not", broken))
    answers = examine(Surroundings({}))
    (java,) = [answer.verdict for answer in answers if answer.check == "java"]
    assert java.status.value == "failure"
    assert java.what == "This could not be looked at (RuntimeError: no such thing)"
    assert {answer.check for answer in answers} == set(NAMES)
