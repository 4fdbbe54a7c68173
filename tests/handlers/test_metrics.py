from __future__ import annotations

import logging
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from foveal.monitoring.workers import as_yaml, declared
from foveal_handlers.metrics import Meter

LINE = re.compile(r"\[METRICS\](\w+)\.(\w+):([\d.]+)\|#([^|]*)\|#type:(\w+)\|#hostname:")


@pytest.fixture
def cache(tmp_path):
    """TorchServe's own metrics of a worker."""

    def make(text):
        path = tmp_path / "metrics.yaml"
        path.write_text(text)
        cache = MetricsCacheYamlImpl(str(path))
        cache.initialize_cache()
        return cache

    return make


@pytest.fixture
def now():
    return [100.0]


@pytest.fixture
def meter(cache, now):
    context = SimpleNamespace(metrics=cache(as_yaml(declared())), model_name="lungs")
    return Meter(context, every_seconds=10, samples=3, clock=lambda: now[0])


@pytest.fixture
def lines(caplog):
    """What TorchServe's parser is given."""
    caplog.set_level(logging.INFO)
    return lambda: [found.groups() for record in caplog.records if (found := LINE.match(record.getMessage()))]


def test_sums_are_told_at_most_every_few_seconds(meter, now, lines):
    for _ in range(100):
        now[0] += 0.05
        meter.note(seconds=0.25, crops=3, dropped={"quota": 2})
    assert lines() == []
    now[0] += 6
    meter.note(dropped={"paused": 1})
    dimensions = "ModelName:lungs,Level:Model"
    assert lines() == [
        ("foveal_crops_spooled_total", "Count", "300", dimensions, "COUNTER"),
        ("foveal_dropped_total", "Count", "1", f"reason:paused,{dimensions}", "COUNTER"),
        ("foveal_dropped_total", "Count", "200", f"reason:quota,{dimensions}", "COUNTER"),
        *[("foveal_attribution_seconds", "Seconds", "0.25", dimensions, "HISTOGRAM")] * 3,
    ]
    now[0] += 11
    meter.note()
    assert len(lines()) == 6


def test_every_request_has_the_same_chance_to_be_timed(cache, lines):
    meter = Meter(SimpleNamespace(metrics=cache(as_yaml(declared())), model_name="m"), samples=1)
    for _ in range(2000):
        for second in (1.0, 2.0, 3.0, 4.0):
            meter.note(seconds=second)
        meter.flush()
    drawn = [value for *_, value, _, _ in lines()]
    assert len(drawn) == 2000
    assert all(400 < drawn.count(second) < 600 for second in ("1.0", "2.0", "3.0", "4.0"))


def test_metrics_that_the_file_lacks_are_added(cache, lines):
    empty = cache(yaml.safe_dump({"model_metrics": {"gauge": []}}).replace("gauge", "counter"))
    empty.cache.clear()
    meter = Meter(SimpleNamespace(metrics=empty, model_name="m"))
    meter.note(crops=1)
    meter.flush()
    meter.note(crops=2)
    meter.flush()
    assert [(name, value) for name, _, value, *_ in lines()] == [
        ("foveal_crops_spooled_total", "1"),
        ("foveal_crops_spooled_total", "2"),
    ]


def test_hostile_names_cannot_break_the_line(meter, lines):
    meter._context.model_name = "a,b|#type:GAUGE\n[METRICS]x.y:1"
    meter.note(dropped={"c:d|e\n": 1})
    meter.flush()
    ((_, _, _, dimensions, kind),) = lines()
    assert dimensions == "reason:c_d_e_,ModelName:a_b__type_GAUGE__METRICS_x.y_1,Level:Model"
    assert kind == "COUNTER"


def test_a_fault_is_logged_once_and_never_raised(caplog):
    meter = Meter(SimpleNamespace(metrics=None, model_name="m"))
    for _ in range(3):
        meter.note(crops=1)
        meter.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "Foveal's metrics cannot be told and are left out from now on"
    ]


def test_it_stays_light():
    code = "import foveal_handlers.metrics; print({'prometheus_client', 'yaml', 'ts'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
