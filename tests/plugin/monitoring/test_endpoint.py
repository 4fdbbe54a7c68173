from __future__ import annotations

import json
import os
import socket
import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from foveal.alarm.betting import observe, start_alarm
from foveal.errors import EnvironmentFault
from foveal.monitoring.endpoint import SpoolCollector, metrics_served
from foveal.monitoring.names import at
from foveal.servers.http import ask


@pytest.fixture
def shipped():
    alarms = {"m": start_alarm([1.0, 2.0])}
    return SimpleNamespace(segments=7, samples=5, entries=9, torn=1, errors=2, alarms=alarms)


def scraped(url):
    text = ask(url).body.decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family):
    return {tuple(sample.labels.items()): sample.value for sample in family.samples}


def test_every_metric_of_the_shipper_is_exposed(tmp_path, shipped):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "a.seg").write_bytes(b"xyz")
    (folder / "a.losses").write_text('{"quota": 4}')
    with metrics_served(tmp_path, shipped, 0) as url:
        found = scraped(url)
        for metric in at("shipper"):
            family = found[metric.name.removesuffix("_total")]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
            (sample,) = family.samples
            assert (sample.name, list(sample.labels)) == (metric.name, metric.shipper_labels)
        assert len(found) == len(at("shipper"))
        assert values(found["foveal_spool_bytes"]) == {(("model", "m"),): 3}
        assert values(found["foveal_dropped"]) == {(("model", "m"), ("reason", "quota")): 4}
        assert values(found["foveal_ship_errors"]) == {(): 2}
        shipped.samples = 6
        assert values(scraped(url)["foveal_shipped_samples"]) == {(): 6}
    with pytest.raises(EnvironmentFault):
        ask(url)


def test_the_alarm_stands_where_it_stands_when_it_is_asked(tmp_path, shipped):
    registry = CollectorRegistry()
    registry.register(SpoolCollector(tmp_path, shipped))

    def alarm():
        names = ("foveal_gap_alarm", "foveal_gap_alarm_evidence", "foveal_gap_alarm_samples")
        return [registry.get_sample_value(name, {"model": "m"}) for name in names]

    assert alarm() == [0, pytest.approx(0), 0]
    shipped.alarms["m"] = observe(start_alarm(range(100)), [1000.0] * 60)
    raised, evidence, seen = alarm()
    assert (raised, seen) == (1, 60)
    assert evidence > 2
    shipped.alarms = {}
    assert alarm() == [None] * 3


def test_a_spool_that_vanished_and_odd_names(tmp_path, shipped):
    odd = tmp_path / 'a "b"\\\nc'
    odd.mkdir()
    (odd / "a.seg").write_bytes(b"x")
    with metrics_served(tmp_path, shipped, 0) as url:
        assert values(scraped(url)["foveal_spool_bytes"]) == {(("model", odd.name),): 1}
        (odd / "a.seg").unlink()
        odd.rmdir()
        tmp_path.rmdir()
        assert scraped(url)["foveal_spool_bytes"].samples == []
        tmp_path.mkdir()


_HOSTILE = st.dictionaries(
    st.text(max_size=300) | st.just("\ud800"), st.integers(-(10**400), 10**400), max_size=3
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(losses=_HOSTILE, garbage=st.binary(max_size=40))
def test_whatever_somebody_writes_into_a_spool_the_rest_can_be_scraped(tmp_path, shipped, losses, garbage):
    folder = tmp_path / os.fsdecode(b"m\xff\x1b[31m")
    folder.mkdir(exist_ok=True)
    (folder / "a.losses").write_text(json.dumps(losses))
    (folder / "b.losses").write_bytes(garbage)
    registry = CollectorRegistry()
    registry.register(SpoolCollector(tmp_path, shipped))
    text = generate_latest(registry).decode()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert values(found["foveal_ship_errors"]) == {(): 2}
    assert all(0 <= sample.value <= 2**53 for sample in found["foveal_dropped"].samples)


def test_a_taken_port(tmp_path, shipped):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(EnvironmentFault) as caught, metrics_served(tmp_path, shipped, port):
            pass
    assert str(caught.value) == (
        f"Metrics cannot be served at 127.0.0.1:{port} (Address already in use). "
        "Stop what listens there, or give another --metrics-port."
    )


def test_scraping_a_spool_of_a_thousand_segments_costs_little(tmp_path, shipped):
    folder = tmp_path / "m"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}.seg").write_bytes(b"x")
    with metrics_served(tmp_path, shipped, 0) as url:
        ask(url)
        start = time.process_time()
        ask(url)
        assert time.process_time() - start < 0.25
