"""Run a plan: make each case, audit it as anyone would, let the opponents answer; nothing is done twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import foveal_audit
from foveal import Library
from foveal.archives import load_model
from foveal.collecting import collect
from foveal.errors import FovealError
from foveal.library.connection import quiet
from foveal_audit.auditing import audit
from foveal_audit.benchmarking.answers import REFUSAL
from foveal_audit.benchmarking.opponent import answer, known_opponents, write_answer
from foveal_audit.benchmarking.plans import Plan, Trial
from foveal_audit.benchmarking.scoring import Score, score_trial
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.knowledge import NOTHING, Knowledge
from foveal_audit.planting.case import case_from
from foveal_audit.planting.drawing import PRODUCTION, TRAINING
from foveal_audit.planting.making import CONCEPTS, MODEL, ROIS, make_case, manifest_name
from foveal_audit.reproducible import one_thread
from foveal_audit.rois import read_rois
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import read_evidence

Progress = Callable[[str, int, int], None]
_STAMP = "done.json"
#: Tiers that come with what experts know.
_WITH_EXPERTS = ("C",)
#: Networks, those first whose cases take longest to audit.
_PACE = ("patent", "resnet8", "mobile")
#: Rooms whose code changes no answer of the audit, and files there that change those of opponents.
_NOT_JUDGED = ("planting", "benchmarking", "commands", "demo", "report", "comparing")
_ANSWERING = ("opponent.py", "trivial.py")


@dataclass(frozen=True)
class Places:
    """Where a benchmark lies: what the audit gets, what it answers, and the truth it never sees."""

    out: Path

    def inputs(self, trial: Trial) -> Path:
        """Give the folder of a case's images, manifests and model."""
        return self.out / "inputs" / trial.folder

    def truth(self, trial: Trial) -> Path:
        """Give the folder of a case's truth."""
        return self.out / "truth" / trial.folder

    def answers(self, trial: Trial, tier: str) -> Path:
        """Give the folder of the answers about a case with a tier's information."""
        return self.out / "answers" / trial.folder / tier


def run_plan(plan: Plan, out: Path, executor: Executor, progress: Progress) -> list[Score]:
    """Run a plan and score it.

    Parameters
    ----------
    plan
        Cases, their tiers and the audit's settings.
    out
        Folder of the benchmark; what it holds of the same cases, code and settings is kept.
    executor
        Runs pure functions of paths; see :func:`processes`.
    progress
        Told what is done, how much of it and how much there is.

    Returns
    -------
    Scores of the audit and of every opponent, in the order of the plan.
    """
    places = Places(out.absolute())
    jobs = [(trial, tier) for trial in plan.trials for tier in trial.tiers]
    _await("auditing", _made_and_asked(executor, places, plan, progress), progress)
    scored = [
        executor.submit(score_trial, places.truth(trial), places.answers(trial, tier), trial.case.name, tier)
        for trial, tier in jobs
    ]
    _await("scoring", scored, progress)
    return [score for future in scored for score in future.result()]


def _made_and_asked(executor: Executor, places: Places, plan: Plan, progress: Progress) -> list[Future[None]]:
    """Make the cases, and have each audited once it is there, so that no worker waits for another's case.

    Those that take longest come first: at the end all workers are done at about the same time.
    """
    slowest = sorted(plan.trials, key=lambda trial: _PACE.index(trial.case.network))
    making = {_make(executor, places, trial): trial for trial in slowest}
    asked: list[Future[None]] = []
    progress("making cases", 0, len(making))
    for done, future in enumerate(as_completed(making), start=1):
        future.result()
        trial = making[future]
        asked += [_answer(executor, places, plan, trial, tier) for tier in trial.tiers]
        progress("making cases", done, len(making))
    return asked


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """Lend worker processes, each on one thread; what was not begun is dropped when the block is left."""
    executor = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _await(what: str, futures: Sequence[Future[Any]], progress: Progress) -> None:
    progress(what, 0, len(futures))
    for done, future in enumerate(as_completed(futures), start=1):
        future.result()
        progress(what, done, len(futures))


def _make(executor: Executor, places: Places, trial: Trial) -> Future[None]:
    return executor.submit(
        make_trial, trial.case.record(), trial.case.name, places.inputs(trial), places.truth(trial)
    )


def make_trial(record: dict[str, Any], name: str, inputs: Path, truth: Path) -> None:
    """Make one case, unless it is there as this code makes it."""
    case = case_from(record, name)
    stamp = truth / _STAMP
    wanted = {"case": case.key}
    if _is_done(stamp, wanted):
        return
    for folder in (inputs, truth):
        shutil.rmtree(folder, ignore_errors=True)
    began = time.process_time()
    with one_thread():
        make_case(case, inputs, truth)
    _set_done(stamp, wanted, began)


def _answer(executor: Executor, places: Places, plan: Plan, trial: Trial, tier: str) -> Future[None]:
    settings = replace(plan.settings, seed=trial.case.seed)
    folders = places.inputs(trial), places.answers(trial, tier)
    return executor.submit(answer_trial, trial.case.key, tier, settings, *folders)


def answer_trial(key: str, tier: str, settings: AuditSettings, inputs: Path, answers: Path) -> None:
    """Collect, audit and let the opponents answer, unless that was done with this code and these settings.

    Parameters
    ----------
    key
        Identity of the case.
    tier
        Whose information the audit gets.
    settings
        Of the audit.
    inputs, answers
        What the audit gets, and where its answer goes.
    """
    wanted = {"case": key, "settings": asdict(settings), "audit": audit_sha256()}
    stamp = answers / _STAMP
    if _is_done(stamp, wanted):
        return
    shutil.rmtree(answers, ignore_errors=True)
    answers.mkdir(parents=True)
    began = time.process_time()
    try:
        with _own_store(answers / "store") as uri, one_thread():
            _ask(uri, tier, settings, inputs, answers)
    except FovealError as error:  # a refusal is an answer, and a wrong one here
        (answers / REFUSAL).write_text(str(error))
    _set_done(stamp, wanted, began)


def _ask(uri: str, tier: str, settings: AuditSettings, inputs: Path, answers: Path) -> None:
    quiet()
    model = load_model(str(inputs / MODEL), environ={})
    library = Library("bench", uri)
    for source in (TRAINING, PRODUCTION):
        collect(model, inputs / manifest_name(source, tier), source, library)  # type: ignore[arg-type]
    audited = audit(model, library, settings, knowledge=_knowledge(tier, inputs))
    write_bundle(audited.result, answers / "bundle", documents={})
    evidence = read_evidence(library, model.sha256)
    for name, opponent in known_opponents().items():
        content = answer(opponent, evidence, model, settings.seed)
        write_answer(answers / "opponents" / f"{name.replace(' ', '-')}.json", content)


def _knowledge(tier: str, inputs: Path) -> Knowledge:
    """Give the audit what experts know, in the tier that has it."""
    return Knowledge(read_rois(inputs / ROIS), inputs / CONCEPTS) if tier in _WITH_EXPERTS else NOTHING


@lru_cache(maxsize=1)
def _empty_store() -> bytes:
    """Make a tracking store once: MLflow takes seconds for each."""
    from mlflow import MlflowClient  # noqa: PLC0415 - a second that only workers need

    quiet()
    with TemporaryDirectory(prefix="foveal-bench-") as folder:
        file = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{file}").search_experiments(max_results=1)
        return file.read_bytes()


@contextmanager
def _own_store(folder: Path) -> Iterator[str]:
    """Lend a tracking store and a cache for one trial; MLflow puts artifacts into the working folder."""
    folder.mkdir(parents=True)
    before, cache = Path.cwd(), os.environ.get("FOVEAL_CACHE_DIR")
    (folder / "mlflow.db").write_bytes(_empty_store())
    os.chdir(folder)
    os.environ["FOVEAL_CACHE_DIR"] = str(folder / "cache")
    try:
        yield f"sqlite:///{folder / 'mlflow.db'}"
    finally:
        os.chdir(before)
        if cache is None:
            del os.environ["FOVEAL_CACHE_DIR"]
        else:
            os.environ["FOVEAL_CACHE_DIR"] = cache
        shutil.rmtree(folder, ignore_errors=True)


def _is_done(stamp: Path, wanted: dict[str, Any]) -> bool:
    return stamp.is_file() and json.loads(stamp.read_text())["done"] == json.loads(json.dumps(wanted))


def _set_done(stamp: Path, done: dict[str, Any], began: float) -> None:
    cost = round(time.process_time() - began, 1)
    stamp.write_text(json.dumps({"done": done, "cpu_seconds": cost}))


def cpu_seconds(plan: Plan, out: Path) -> list[float]:
    """Give what each trial of a plan that was run cost: making its case and answering, CPU seconds."""
    places = Places(out.absolute())
    costs = []
    for trial in plan.trials:
        stamps = [places.truth(trial), *(places.answers(trial, tier) for tier in trial.tiers)]
        costs.append(sum(json.loads((folder / _STAMP).read_text())["cpu_seconds"] for folder in stamps))
    return costs


def audit_sha256() -> str:
    """Hash the code that answers: another version answers anew."""
    root = Path(foveal_audit.__file__).parent
    return _hash(_judged_files(root))


def _judged_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0]
        if room not in _NOT_JUDGED or (room == "benchmarking" and path.name in _ANSWERING):
            yield path


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
