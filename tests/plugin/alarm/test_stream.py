"""The alarm of a shipper: what it is held against, and that its state survives whatever ends a shipper."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from foveal import shipper as shipping
from foveal.alarm import stream
from foveal.alarm.stream import StreamAlarm
from foveal.alarm.training import FEWEST, fingerprint, read_training, shards_of
from foveal.cli import build_app
from foveal.library import Library
from foveal.monitoring.endpoint import metrics_served
from foveal.servers.http import ask
from foveal.shipper import Shipped, ship
from foveal.spool import Spool

_NUMBERS = count()
MODEL = "ab" * 32


@pytest.fixture
def library(tracking_uri):
    return Library(f"watched {next(_NUMBERS)}", tracking_uri)


@pytest.fixture
def samples(observe):
    """Make observations of one source whose node values are drawn about a place."""

    def make(source, number, at=0.0, seed=0, model=MODEL):
        rng = np.random.default_rng([seed, number, len(source)])
        made = []
        for n, values in enumerate(rng.normal(at, 1, (number, 6)).tolist()):
            plain = observe(f"{source}-{seed}-{n}").sample
            sha256 = f"{seed:08x}{n:056x}"
            made.append(
                replace(
                    plain,
                    source=source,
                    scores=tuple(values[:2]),
                    activations={"fc1": tuple(values[2:])},
                    model_sha256=model,
                    sample_sha256=sha256,
                )
            )
        return [replace(observe("x"), sample=one, entries=()) for one in made]

    return make


@pytest.fixture
def trained(library, samples):
    library.add(samples("training", 200), "training")
    library.add(samples("validation", 100), "validation")
    return library


def spool_some(folder, observations):
    with Spool(folder, roll_bytes=1 << 20) as spool:
        assert all(spool.append(one) for one in observations)


def state(folder):
    (path,) = folder.glob("alarm-*.json")
    assert path.name == f"alarm-{MODEL[:12]}.json"
    return json.loads(path.read_text())


def test_production_like_training_raises_nothing_and_what_is_unlike_does(spool_folder, trained, samples):
    spool_some(spool_folder, samples("production", 150, seed=1))
    shipped = ship(spool_folder, trained)
    (alarm,) = shipped.alarms.values()
    assert (alarm.seen, alarm.raised_at) == (150, None)
    spool_some(spool_folder, samples("production", 60, at=4, seed=2))
    (alarm,) = ship(spool_folder, trained).alarms.values()
    assert alarm.seen == 210
    assert 150 < alarm.raised_at < 200
    assert alarm.power > 2


def test_the_state_goes_on_where_a_shipper_ended(spool_folder, trained, samples):
    """In three shippers and as many segments as in one: the same state, but for the segment's name."""
    whole = samples("production", 90, seed=3)
    for part in (whole[:30], whole[30:70], whole[70:]):
        spool_some(spool_folder, part)
        alarm = ship(spool_folder, trained).alarms[spool_folder.name]
    own = StreamAlarm(spool_folder.parent, trained)
    assert own.observe("one", whole) == alarm
    assert state(spool_folder)["alarm"] == json.loads(json.dumps(alarm.to_json()))


def test_a_segment_that_comes_again_counts_once(spool_folder, trained, samples, monkeypatch):
    """Killed after the state was kept and before the segment went, the next shipper gets it again."""
    spool_some(spool_folder, samples("production", 20, seed=4))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shipping.Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            ship(spool_folder, trained)
    assert state(spool_folder)["alarm"]["seen"] == 20
    shipped = ship(spool_folder, trained)
    assert (shipped.segments, shipped.samples) == (1, 0)
    assert shipped.alarms[spool_folder.name].seen == 20


def test_other_training_samples_begin_anew(spool_folder, trained, samples):
    spool_some(spool_folder, samples("production", 60, at=4, seed=5))
    assert ship(spool_folder, trained).alarms[spool_folder.name].raised_at is not None
    trained.add(samples("training", 150, at=4, seed=6), "acquired")
    spool_some(spool_folder, samples("production", 10, at=4, seed=7))
    alarm = ship(spool_folder, trained).alarms[spool_folder.name]
    assert (alarm.seen, alarm.raised_at) == (10, None)


def test_a_running_shipper_notices_other_training_samples(tmp_path, trained, samples, monkeypatch):
    own = StreamAlarm(tmp_path, trained)
    assert own.observe("a", samples("production", 5)).seen == 5
    trained.add(samples("training", 60, seed=6), "acquired")
    assert own.observe("b", samples("production", 5)).seen == 10  # it does not look at every segment
    monkeypatch.setattr(stream, "time", SimpleNamespace(monotonic=lambda: float("inf")))
    assert own.observe("c", samples("production", 5)).seen == 5


def test_versions_of_a_model_are_watched_apart(tmp_path, trained, samples):
    other = "cd" * 32
    trained.add(samples("training", 120, at=9, model=other), "other")
    own = StreamAlarm(tmp_path, trained)
    mixed = [*samples("production", 30), *samples("production", 40, at=9, model=other)]
    assert own.observe("a", mixed).seen == 40  # of the version that served last
    kept = {path.name: json.loads(path.read_text())["alarm"]["seen"] for path in tmp_path.iterdir()}
    assert kept == {f"alarm-{MODEL[:12]}.json": 30, f"alarm-{other[:12]}.json": 40}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": 9}', b'{"version": 1, "training": "?"}', b"\xff"]
)
def test_a_state_that_is_none_begins_anew(tmp_path, trained, samples, content):
    (tmp_path / f"alarm-{MODEL[:12]}.json").write_bytes(content)
    assert StreamAlarm(tmp_path, trained).observe("a", samples("production", 7)).seen == 7


@pytest.mark.parametrize(
    ("training", "validation", "ground"), [(49, 60, False), (60, 60, True), (99, 49, False)]
)
def test_without_enough_of_both_there_is_no_ground(library, samples, training, validation, ground):
    library.add(samples("training", training), "training")
    library.add(samples("validation", validation), "validation")
    found = read_training(library, shards_of(library, MODEL))
    assert (found is not None) == ground


def test_without_validation_every_second_training_sample_is_held_out(library, samples):
    library.add(samples("training", 2 * FEWEST), "training")
    found = read_training(library, shards_of(library, MODEL))
    assert (len(found.reference.points), len(found.held_out)) == (FEWEST, FEWEST)
    assert np.median(found.held_out) > 0.5  # none is its own neighbour


def test_no_training_no_alarm_and_no_file(spool_folder, library, samples):
    spool_some(spool_folder, samples("production", 5))
    shipped = ship(spool_folder, library)
    assert (shipped.samples, shipped.alarms) == (5, {})
    assert not list(spool_folder.glob("alarm*"))


def test_only_production_is_watched_and_only_of_the_same_training(tmp_path, trained, samples):
    assert StreamAlarm(tmp_path, trained).observe("a", samples("training", 5)) is None
    before = fingerprint(shards_of(trained, MODEL))
    trained.add(samples("production", 5), "served")
    assert fingerprint(shards_of(trained, MODEL)) == before


def test_a_fault_of_the_alarm_stops_no_shipment(spool_folder, trained, samples, monkeypatch, caplog):
    def broken(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(stream, "write_whole", broken)
    spool_some(spool_folder, samples("production", 5))
    shipped = ship(spool_folder, trained)
    assert (shipped.segments, shipped.samples, shipped.alarms) == (1, 5, {})
    assert f"The alarm on production of {trained.name} failed (No space left on device)" in caplog.text


@pytest.mark.parametrize("odd", ["../../../outside", None, ["a"]])
def test_records_of_foreign_making_harm_nothing(tmp_path, trained, samples, odd):
    (tmp_path / "spool").mkdir()
    own = StreamAlarm(tmp_path / "spool", trained)
    strange = samples("production", 3, model=odd)
    assert own.observe("a", strange) is None
    assert own.observe("b", samples("production", 3)).seen == 3
    assert own._path("../../../x").parent == tmp_path / "spool"
    assert not list(tmp_path.rglob("*outside*"))


def test_whoever_ships_by_hand_is_told(spool_folder, trained, samples, tracking_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    spool_some(spool_folder, samples("production", 60, at=5, seed=9))
    command = ["ship", str(spool_folder), "--library", trained.name]
    said = CliRunner().invoke(build_app(), command).stdout
    raised = state(spool_folder)["alarm"]["raised_at"]
    line = f"Production of {spool_folder.name} is unlike training since its sample {raised}: audit it."
    assert line in said.splitlines()
    spool_some(spool_folder, samples("production", 5, at=5, seed=10))
    told = json.loads(CliRunner().invoke(build_app(), [*command, "--json"]).stdout)["alarms"]
    assert told[spool_folder.name]["raised_at"] == raised
    assert told[spool_folder.name]["seen"] == 65


def test_prometheus_is_told(spool_folder, trained, samples):
    spool_some(spool_folder, samples("production", 60, at=5, seed=8))
    shipped = ship(spool_folder, trained, shipped=Shipped())
    with metrics_served(spool_folder, shipped, 0) as url:
        text = ask(url).body.decode()
    label = f'{{model="{spool_folder.name}"}}'
    assert f"foveal_gap_alarm{label} 1.0" in text
    assert f"foveal_gap_alarm_samples{label} 60.0" in text
