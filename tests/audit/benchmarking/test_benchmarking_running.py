"""The benchmark end to end, on a tiny case."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np
import planted
import pytest
import typer
from typer.testing import CliRunner

from foveal.errors import UsageError
from foveal_audit.benchmarking import fitting, opponent, running, unseen
from foveal_audit.benchmarking.answers import read_audit, read_findings
from foveal_audit.benchmarking.fitting import rows_of, shipped_rows
from foveal_audit.benchmarking.opponent import Foreign, answer, known_opponents
from foveal_audit.benchmarking.plans import Plan, Trial
from foveal_audit.benchmarking.running import (
    _PACE,
    Places,
    _made_and_asked,
    audit_sha256,
    cpu_seconds,
    processes,
    run_plan,
)
from foveal_audit.benchmarking.statistics import wilson
from foveal_audit.benchmarking.trivial import TRIVIAL
from foveal_audit.benchmarking.unseen import decided, judge_unseen
from foveal_audit.bundle.schema import Findings
from foveal_audit.commands import bench
from foveal_audit.judgement.fusion import FUSION
from foveal_audit.planting.case import Case, Gap, Mark, Sizes
from foveal_audit.planting.learning import NETWORKS
from foveal_audit.planting.marks.kinds import Look
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import read_evidence

SIZES = Sizes(training=100, production=40, oracle=16, epochs=1)
MARKED = Case(
    "marked",
    "textile",
    "mobile",
    1,
    marks=(Mark(Look("marker", area=0.08)),),
    gaps=(Gap("removed", 0.2),),
    sizes=SIZES,
)
TINY = Plan("tiny", (Trial(MARKED, ("C",)),), AuditSettings(pairs=8, nodes=1, generators=0))


class Here(Executor):
    """Runs everything at once, in this process."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def quiet(what, done, total):
    """Tell nobody."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        patch.setattr(running, "audit_sha256", lambda: "of this audit")
        yield folder / "out", run_plan(TINY, folder / "out", Here(), quiet)


@pytest.mark.slow
def test_every_trial_is_scored_for_every_detector(ran):
    out, scores = ran
    assert [(s.name, s.tier) for s in scores] == [("marked", "C")] * len(scores)
    assert scores[0].detector == "audit"
    assert {s.detector for s in scores[1:]} == set(known_opponents())
    assert len(scores) == 1 + len(known_opponents())
    marked = scores[0]
    assert marked.judged
    assert marked.groups is not None
    assert {factor.name for factor in marked.truth.factors} == {"mark 0"}  # too few images for the core
    assert min(cpu_seconds(TINY, out)) > 0


@pytest.mark.slow
def test_what_is_done_is_not_done_again(ran, monkeypatch, tmp_path):
    scores, out = ran[1], shutil.copytree(ran[0], tmp_path / "out")

    def refuse(*_):
        raise AssertionError("was done before")

    monkeypatch.setattr(running, "make_case", refuse)
    monkeypatch.setattr(running, "_ask", refuse)
    again = run_plan(TINY, out, Here(), quiet)
    assert [(s.name, s.detector, s.ranking) for s in again] == [
        (s.name, s.detector, s.ranking) for s in scores
    ]
    with pytest.raises(AssertionError, match="was done before"):
        run_plan(replace(TINY, settings=AuditSettings(pairs=17)), out, Here(), quiet)


@pytest.mark.slow
def test_the_audit_leaves_no_store_and_gets_no_truth(ran):
    out, _ = ran
    places = Places(out)
    for trial in TINY.trials:
        answers = places.answers(trial, trial.tiers[0])
        assert sorted(path.name for path in answers.iterdir()) == ["bundle", "done.json", "opponents"]
        names = {path.name for path in places.inputs(trial).iterdir()}
        assert not any("truth" in name for name in names)
        findings = json.loads((answers / "bundle" / "findings.json").read_text())
        assert findings["seed"] == trial.case.seed


@pytest.mark.slow
def test_the_shipped_weights_give_the_recorded_verdicts_and_others_leave_opponents_alone(ran):
    out, scores = ran
    (trial,) = TINY.trials
    bundle = Places(out).answers(trial, "C") / "bundle"
    found, answer = (
        Findings.model_validate_json((bundle / "findings.json").read_bytes()),
        read_findings(bundle),
    )
    assert tuple(decided(found, answer.facets, FUSION)) == answer.facets
    anew = judge_unseen(TINY, out, scores, shipped_rows())
    assert [(one.name, one.tier, one.detector) for one in anew] == [
        (one.name, one.tier, one.detector) for one in scores
    ]
    assert anew[1:] == scores[1:]
    assert [one.facet.entries for one in anew[0].judged] == [one.facet.entries for one in scores[0].judged]
    assert {one.facet.verdict for one in anew[0].judged} == {"undecidable"}  # so few are, by any weights


@pytest.mark.slow
def test_held_out_seeds_teach_nothing(ran, monkeypatch):
    assert {one.case for one in rows_of(ran[0])} <= {"out/marked-1"}
    monkeypatch.setattr(fitting, "HELD_OUT", 0)
    with pytest.raises(UsageError) as caught:
        list(rows_of(ran[0]))
    assert str(caught.value) == (f"{ran[0]} holds seeds that nothing may be tuned on. Leave --held-out out.")


def test_trivial_opponents_score_clusters_by_their_property(planted_library):
    model = planted.model()
    evidence = read_evidence(planted_library, model.sha256)
    training = int(evidence.samples.of("training")[evidence.contribution.owner].sum())
    for trivial in TRIVIAL.values():
        told = answer(trivial, evidence, model, 0)
        assert sum(len(one["entries"]) for one in told["assessments"]) == training
        assert (told["coverage"], told["gaps"]) == (None, [])
    groups = TRIVIAL["cluster size"].artefacts(evidence, model, 0)
    smallest = min(groups, key=lambda group: len(np.unique(group.windows.owner)))
    assert smallest.score == max(group.score for group in groups)
    remote = TRIVIAL["centre distance"].artefacts(evidence, model, 0)
    assert 0 <= min(group.score for group in remote) <= max(group.score for group in remote) < 0.71


class Rival:
    """Calls every other production sample foreign, in one group, and makes no clusters."""

    name = "rival"

    def artefacts(self, evidence, model, seed):
        """Look for none."""

    def gaps(self, evidence, model, seed):
        rows = np.flatnonzero(evidence.samples.of("production"))
        return Foreign(np.arange(len(rows)) % 2.0, (rows[1::2],))


def test_an_opponent_for_gaps_alone(planted_library):
    model = planted.model()
    evidence = read_evidence(planted_library, model.sha256)
    told = answer(Rival(), evidence, model, 0)
    names = evidence.samples.names[evidence.samples.of("production")].tolist()
    assert told["assessments"] is None
    assert told["gaps"] == [names[1::2]]
    assert all(
        told["coverage"][name] < told["coverage"][other] for name in names[1::2] for other in names[::2]
    )


def test_cases_are_audited_as_soon_as_they_are_made_the_slowest_first(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(running, "make_trial", lambda _record, name, *_: done.append(("made", name)))
    monkeypatch.setattr(
        running, "answer_trial", lambda _key, tier, _settings, inputs, _: done.append((inputs.name, tier))
    )
    trials = [
        Trial(replace(MARKED, name=network, network=network), tiers)
        for network, tiers in (("mobile", ("A", "C")), ("patent", ("B",)), ("resnet8", ("A",)))
    ]
    told = []
    asked = _made_and_asked(
        Here(), Places(tmp_path), Plan("three", tuple(trials)), lambda *words: told.append(words)
    )
    assert done[:3] == [("made", "patent"), ("made", "resnet8"), ("made", "mobile")]
    assert sorted(done[3:]) == [("mobile-1", "A"), ("mobile-1", "C"), ("patent-1", "B"), ("resnet8-1", "A")]
    assert len(asked) == 4
    assert told == [("making cases", number, 3) for number in range(4)]


def test_every_network_has_its_place_in_the_queue():
    assert set(NETWORKS) == set(_PACE)


def test_opponents_of_the_room_are_known(tmp_path, monkeypatch):
    (tmp_path / "rivals.py").write_text("OPPONENTS = {'rival': 'an opponent'}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(opponent, "ROOM", "rivals")
    assert {**known_opponents()} == {**TRIVIAL, "rival": "an opponent"}
    monkeypatch.setattr(opponent, "ROOM", "no_such_room")
    assert known_opponents() == TRIVIAL


def test_the_scorer_does_not_know_the_audit():
    script = (
        "import sys, foveal_audit.benchmarking.table; "
        "print(sorted({'torch', 'foveal_audit.auditing', 'foveal_audit.planting.making'} & set(sys.modules)))"
    )
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | paths, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[]"


def test_a_refusal_is_a_wrong_answer(tmp_path, monkeypatch):
    def refuse(*_):
        raise UsageError("The layer is dead", "Choose another")

    monkeypatch.setattr(running, "_ask", refuse)
    running.answer_trial("key", "A", AuditSettings(), tmp_path, tmp_path / "answers")
    found = read_audit(tmp_path / "answers")
    assert (found.facets, found.refused) == ((), "The layer is dead. Choose another.")


def test_worker_processes_run_what_they_are_given():
    with processes(1) as executor:
        assert executor.submit(wilson, 0, 0).result() == (0, 1)


@pytest.fixture
def run(tmp_path):
    app = typer.Typer()
    app.callback()(lambda: None)
    bench.register(app)
    return lambda *words: CliRunner().invoke(app, ["bench", "--out", str(tmp_path), *words])


def test_a_name_that_nothing_has_is_refused(run):
    outcome = run("--only", "watermarks")
    assert isinstance(outcome.exception, UsageError)
    assert (
        str(outcome.exception) == "The plan smoke has no case named 'watermarks'. Did you mean "
        "'watermark' or 'three-marks' or 'marker'."
    )


def test_no_case_left_is_refused(run):
    outcome = run("--only", "watermark", "--without", "aerial")
    assert str(outcome.exception) == "No case is left. Leave fewer out."


@pytest.mark.slow
def test_the_command_prints_the_table_or_json(run, monkeypatch, ran):
    """The real run of the tiny plan, shown as the command shows any."""
    out, scores = ran
    monkeypatch.setattr(running, "run_plan", lambda *_: scores)
    monkeypatch.setattr(running, "cpu_seconds", lambda *_: cpu_seconds(TINY, out))
    told = run("--only", "watermark")
    assert told.exit_code == 0, told.output
    assert "The audit, worst tier first" in told.stdout
    assert "CPU seconds a case" in told.stdout
    record = json.loads(run("--only", "watermark", "--json").stdout)
    parts = {"plan", "rows", "kinds", "gaps", "harmless", "against", "cases"}
    assert set(record) == parts | {"cpu_seconds", "leave_one_kind_out"}
    assert (len(record["cases"]), record["leave_one_kind_out"]) == (len(scores), False)
    asked = []
    monkeypatch.setattr(unseen, "judge_unseen", lambda *given: asked.append(given) or scores)
    told = run("--only", "watermark", "--leave-one-kind-out")
    assert (
        "Verdicts by weights that saw no case with the kinds of artefact of the case they judge"
        in told.stdout
    )
    assert asked[0][2:] == (scores, shipped_rows())


def test_answers_follow_the_code_that_gives_them(tmp_path, monkeypatch):
    """The code of the scorer may change without another audit; that of the audit and of opponents may not."""
    for name in (
        "auditing.py",
        "opponents/lof.py",
        "benchmarking/trivial.py",
        "benchmarking/scoring.py",
        "report/page.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(running.foveal_audit, "__file__", str(tmp_path / "__init__.py"))

    def changes(name):
        before = audit_sha256()
        (tmp_path / name).write_text("after")
        return audit_sha256() != before

    assert all(map(changes, ("auditing.py", "opponents/lof.py", "benchmarking/trivial.py")))
    assert not any(map(changes, ("benchmarking/scoring.py", "report/page.py")))
