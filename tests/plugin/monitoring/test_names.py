from __future__ import annotations

import re

import pytest

from foveal.monitoring.names import METRICS, at, series

ENDINGS = {"counter": "_total", "histogram": "_seconds"}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_of_prometheus(metric):
    assert re.fullmatch(r"foveal_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith(ENDINGS.get(metric.kind, ""))
    assert metric.help.endswith(".")
    assert metric.places
    assert metric.dimensions[-2:] == ["ModelName", "Level"]


def test_every_name_is_there_once():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_what_workers_expose():
    assert [metric.name for metric in at("worker")] == [
        "foveal_crops_spooled_total",
        "foveal_dropped_total",
        "foveal_attribution_seconds",
    ]


def test_series_are_the_names_that_queries_use():
    assert {"foveal_attribution_seconds_bucket", "foveal_dropped_total", "foveal_spool_bytes"} <= series()
    assert "foveal_attribution_seconds" not in series()
