"""Work is named by all that its result depends on, and by nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from foveal_audit.engine import addresses, stages
from foveal_audit.engine.desk import Desk
from foveal_audit.engine.shelf import Shelf
from foveal_audit.engine.stages import STAGES, settings_for
from foveal_audit.engine.work import Work, perform
from foveal_audit.settings import AuditSettings


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)


def result(shelf, name, text):
    with shelf.put(name) as folder:
        (folder / "a").write_text(text)
    return shelf.root / name


def test_equal_work_has_one_name(shelf):
    one, same, other = (result(shelf, f"x/{n}", text) for n, text in enumerate("aab"))
    work = Work("units", "m", {"evidence": one}, {"feature": "fc1:0", "seed": 0})
    assert work.name.startswith("units/")
    assert replace(work, settings={"seed": 0, "feature": "fc1:0"}).name == work.name
    assert replace(work, inputs={"evidence": same}).name == work.name
    others = [
        replace(work, inputs={"evidence": other}),
        replace(work, inputs={"looks": one}),
        replace(work, model="n"),
        replace(work, stage="gaps"),
        replace(work, settings={"feature": "fc1:0", "seed": 1}),
    ]
    assert len({work.name, *(one.name for one in others)}) == 6


def test_other_code_is_other_work(shelf, monkeypatch):
    before = Work("units", "m").name
    monkeypatch.setattr(addresses, "code_sha256", lambda: "other")
    assert Work("units", "m").name != before


def test_the_code_that_computes_is_in_the_hash_and_the_report_is_not():
    names = {path.parent.name + "/" + path.name for path in addresses._files()}
    assert {
        "judgement/facet.py",
        "units/partition.py",
        "foveal_audit/auditing.py",
        "samples/images.py",
    } <= names
    assert not {name for name in names if name.startswith(("report/", "commands/audit", "planting/"))}


def test_work_is_done_once(shelf, monkeypatch):
    done = []

    def stage(work, desk, folder):
        done.append(work.name)
        (folder / "a").write_text(desk.model)

    monkeypatch.setitem(STAGES, "trial", stage)
    work = Work("trial", "m")
    folders = {perform(work, shelf, Desk(lambda: "the model")) for _ in range(2)}
    assert folders == {shelf.root / work.name}
    assert done == [work.name]
    assert (shelf.root / work.name / "a").read_text() == "the model"


def test_a_stage_gets_the_settings_that_it_may_use_and_no_others():
    """What a stage never sees cannot change its result, so it need not be in the name of its work."""
    settings = AuditSettings(seed=1, pairs=2, nodes=3, generators=4, generator_steps=5)
    known = {one.name for one in fields(AuditSettings)}
    for stage in STAGES:
        told = settings_for(stage, settings)
        assert "seed" in told
        assert "generators" not in told  # how many of them there are is no matter of any one
        assert set(told) | set(stages._UNUSED[stage]) == known
    assert settings_for("judging", settings) == {"seed": 1, "pairs": 2}
    assert settings_for("units", settings) == settings_for("gaps", settings) == {"seed": 1}
