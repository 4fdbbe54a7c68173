"""What is being done and how long the rest takes, on a clock of our own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from foveal_audit.demo import stages
from foveal_audit.demo.stages import STAGES, Stages, _duration

PLANNED = {name: fixed + each * 1000 for name, (fixed, each) in STAGES.items()}
TOTAL = sum(PLANNED.values())


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when told, to the stages alone: servers of other tests run by the real clock."""
    now = [100.0]
    monkeypatch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def run(counted, clock, capsys, pace, names=None):
    lines = []
    for name in names or STAGES:
        with counted.stage(name):
            clock[0] += PLANNED[name] * pace
        lines.append(capsys.readouterr().err.splitlines()[0])
    return lines


def test_all_stages_are_counted_with_the_time_left(clock, capsys):
    lines = run(Stages(1000, "traces"), clock, capsys, 1.0)
    left = TOTAL
    for number, (line, (name, seconds)) in enumerate(zip(lines, PLANNED.items(), strict=True), start=1):
        said = name.format(samples="traces")
        assert line == f"[{number}/{len(STAGES)}] {said} (about {_duration(left)} left in all)"
        left -= seconds


@pytest.mark.parametrize(("pace", "counted"), [(2.0, 2.0), (0.5, 0.5), (0.001, 0.5), (60.0, 4.0)])
def test_a_slower_machine_takes_longer_within_reason(clock, capsys, pace, counted):
    first, second = run(Stages(1000), clock, capsys, pace, list(STAGES)[:2])
    assert f"(about {_duration(TOTAL)} left in all)" in first
    rest = TOTAL - PLANNED["making the study"]
    assert f"(about {_duration(rest * counted)} left in all)" in second


def test_progress_inside_a_stage_is_reported(clock, capsys):
    with Stages(10).stage("making the study") as report:
        report("drawing", 10, 10)
    assert capsys.readouterr().err.splitlines()[-1] == "drawing 10/10"


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (600, "10 min")])
def test_durations(seconds, said):
    assert _duration(seconds) == said


def test_the_demo_has_no_stage_without_an_estimate():
    """Every stage that the demo names is in the table, in the order of the table."""
    import re  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    source = Path(stages.__file__).with_name("running.py").read_text()
    assert re.findall(r'stages\.stage\("([^"]+)"\)', source) == list(STAGES)
