"""An audit that is cut off, however and wherever, goes on and ends with the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cut_off
import planted
import pytest

from foveal.errors import UsageError
from foveal_audit.auditing import audit
from foveal_audit.engine.desk import NamedModel
from foveal_audit.engine.executors import Inline, opened
from foveal_audit.engine.running import Engine, Job
from foveal_audit.engine.shelf import Shelf
from foveal_audit.reproducible import EPOCH


class Backwards(Inline):
    """Does the last task first."""

    def run(self, tasks):
        last = len(tasks) - 1
        for number in super().run(tasks[::-1]):
            yield last - number


@pytest.fixture
def epoch(monkeypatch):
    """Stop the clock that a bundle is dated by."""
    monkeypatch.setenv(EPOCH, "1700000000")


@pytest.fixture(scope="module")
def whole(planted_library, tmp_path_factory):
    """An audit that was not cut off: its findings and its shelf."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(EPOCH, "1700000000")
        shelf = Shelf(tmp_path_factory.mktemp("whole"))
        return audited(planted_library, shelf, Inline()), shelf


def audited(library, shelf, executor, told=None):
    model = planted.model()
    report = told.append if told is not None else (lambda _: None)
    engine = Engine(model, shelf, executor)
    return audit(
        model, library, cut_off.SETTINGS, lambda *words: report(words), engine
    ).result.findings.to_json()


def names(shelf):
    return sorted(str(path.relative_to(shelf.root)) for path in shelf.root.glob("*/*"))


def test_the_date_is_the_epoch_that_was_told(whole):
    assert json.loads(whole[0])["created"] == "2023-11-14T22:13:20Z"


def test_the_order_changes_nothing(whole, planted_library, tmp_path, epoch):
    assert audited(planted_library, Shelf(tmp_path), Backwards()) == whole[0]
    assert names(Shelf(tmp_path)) == names(whole[1])


@pytest.mark.slow
def test_worker_processes_change_nothing(whole, planted_library, tmp_path, epoch):
    shelf = Shelf(tmp_path / "shelf")
    shutil.copytree(whole[1].root, shelf.root, ignore=shutil.ignore_patterns("judging"))
    with opened("local", 2) as executor:
        assert audited(planted_library, shelf, executor) == whole[0]
    assert set(names(shelf)) <= set(names(whole[1]))


def test_what_is_done_is_not_done_again(whole, planted_library, epoch):
    class Nothing(Inline):
        def run(self, tasks):
            assert not tasks
            return super().run(tasks)

    told = []
    assert audited(planted_library, whole[1], Nothing(), told) == whole[0]
    for what in ("finding units", "judging facets", "looking for gaps", "learning appearances"):
        done, total = [words[1:] for words in told if words[0] == what][-1]
        assert done == total > 0


def test_other_settings_redo_what_depends_on_them(whole, planted_library, monkeypatch, epoch):
    before = set(names(whole[1]))
    monkeypatch.setattr(cut_off, "SETTINGS", cut_off.AuditSettings(pairs=9, nodes=1, generators=0))
    audited(planted_library, whole[1], Inline())
    assert {name.partition("/")[0] for name in set(names(whole[1])) - before} == {"judging", "properties"}


@pytest.mark.slow
def test_killed_in_every_stage(whole, planted_library, tmp_path):
    """Each run dies in the next stage, with a result written and not yet put."""
    environment = {**os.environ, EPOCH: "1700000000", "PYTHONPATH": os.pathsep.join(sys.path)}
    # The driver forks, which is safe before anything has threads and nowhere else.
    script, uri = Path(cut_off.__file__), planted_library.tracking_uri
    subprocess.run([sys.executable, script, uri, tmp_path], env=environment, check=True, timeout=600)
    kills = json.loads((tmp_path / "kills.json").read_text())
    done = (tmp_path / "done.txt").read_text().split()
    stages = ["evidence", "units", "readable", "judging", "properties", "gaps", "generator"]
    assert list(dict.fromkeys(name.partition("/")[0] for name in done)) == stages
    assert kills == [signal.SIGKILL] * len(stages) + [0]
    assert len(set(done)) == len(done)  # what was put was never done again
    assert sorted(done) == names(Shelf(tmp_path / "shelf"))
    assert set(done) <= set(names(whole[1]))
    assert (tmp_path / "resumed.json").read_text() == whole[0]


def test_a_model_that_changed_meanwhile_is_refused():
    with pytest.raises(UsageError) as caught:
        NamedModel("python:planted:model", "another").load()
    assert caught.value.fault == "python:planted:model is not the model any more that this audit began with"
    assert caught.value.mend == "Audit it anew, without --resume"


def test_progress_counts_what_was_there_before(tmp_path, monkeypatch):
    from foveal_audit.engine.stages import STAGES  # noqa: PLC0415

    monkeypatch.setitem(STAGES, "trial", lambda work, _desk, folder: (folder / "a").write_text("a"))
    engine = Engine(planted.model(), Shelf(tmp_path), Inline())
    works = [engine.work("trial", {}, {"number": n}) for n in range(3)]
    engine.run([Job("trying", works[:1])], lambda *_: None)
    told = []
    engine.run([Job("trying", works)], lambda *words: told.append(words))
    assert told == [("trying", n, 3) for n in range(4)]
