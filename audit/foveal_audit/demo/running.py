"""Run the demo: make, train, pack, serve, ship, collect, audit, and compare with what was planted."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import foveal_audit
from foveal import Library
from foveal.archives import AuditedModel, load_model
from foveal.archives.pack import pack
from foveal.collecting import collect
from foveal.commands.progress import Report
from foveal.errors import EnvironmentFault, UsageError
from foveal.servers.java import find_java
from foveal.servers.mlflow import MlflowServer
from foveal.servers.torchserve import TorchServe
from foveal.shipper import ship
from foveal_audit.bundle.identity import sha256_json
from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.writing import FINDINGS
from foveal_audit.demo.comparing import Comparison, compare
from foveal_audit.demo.making import StudyFiles, train_network, write_study
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.demo.stages import Stages
from foveal_audit.demo.study import DemoStudy, Progress, T
from foveal_audit.publishing import publish
from foveal_audit.reproducible import one_thread

_MARK = "foveal-demo"


@dataclass(frozen=True)
class DemoResult:
    """What a demo leaves behind: its findings, how they compare with the truth, and where things lie.

    Of the samples one of production, to look at.
    """

    findings: Findings
    comparison: Comparison
    bundle: Path
    archive: Path
    tracking_uri: str
    example: Path


def run_demo(out: Path, study: DemoStudy[Any], plan: DemoPlan, variant: str, seed: int = 0) -> DemoResult:
    """Run the whole main job in one folder; what an earlier run finished there is not done again.

    Parameters
    ----------
    out
        Folder of the demo; a sub-folder per study, seed and size.
    study
        A row of :data:`foveal_audit.demo.kinds.KINDS`.
    plan
        How large.
    variant
        ``standard``, or ``null`` where the mark tells nothing.
    seed
        Source of all chance.

    Raises
    ------
    EnvironmentFault
        Without Java, TorchServe or a free port.
    UsageError
        If the folder holds something else.
    """
    find_java()  # without it there is no point in training first
    folder = _folder(out, study.prefix, plan, variant, seed)
    stages = Stages(plan.training + plan.production, study.words.samples)
    with one_thread(), ExitStack() as servers:
        with stages.stage("making the study"):
            files = write_study(folder / "data", study, variant, plan, seed)
        with stages.stage("training the network") as report:
            weights = train_network(files, plan, seed, partial(report, "training"))
        with stages.stage("packing the model"):
            model = load_model(str(pack_demo(folder, study, weights)))
        sent = _Sent(folder / f"requests-{model.sha256[:12]}.json")
        with stages.stage("starting TorchServe and MLflow"):
            mlflow = servers.enter_context(MlflowServer(folder / "mlflow"))
            serving = None if sent.complete(plan.production) else servers.enter_context(_torchserve(folder))
        library = Library(study.name, mlflow.uri)
        with stages.stage("sending the production {samples}") as report:
            if serving is not None:
                _send(serving, files, sent, partial(report, "sending"))
                serving.stop()
        with stages.stage("shipping to the feature library"):
            if (folder / "spool").is_dir():
                ship(folder / "spool", library)
        with stages.stage("collecting the training {samples}") as report:
            collect(model, files.training, "training", library, report)
        with stages.stage("auditing") as report:
            findings = _audit(folder, model, library, plan, report)
        comparison = compare(findings, {**files.truth("training"), **sent.truth(files)}, study)
        example = files.folder / files.name("production", 0)
        return DemoResult(
            findings, comparison, folder / "bundle", archive_of(folder, study), mlflow.database_uri, example
        )


def _folder(out: Path, prefix: str, plan: DemoPlan, variant: str, seed: int) -> Path:
    mark = out / _MARK
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not mark.is_file())):
        raise UsageError(
            f"{out} holds something else", "Give an empty folder, or one that a demo made: --out DIR"
        )
    out.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        mark.write_text("Made by: foveal demo\n")
    folder = out / f"{prefix}{variant}-{plan.training}-{seed}"
    folder.mkdir(exist_ok=True)
    return folder


def archive_of(folder: Path, study: DemoStudy[Any]) -> Path:
    """Name the archive of a demo's model."""
    return folder / f"model_store/{study.name}.mar"


def pack_demo(folder: Path, study: DemoStudy[Any], weights: Path) -> Path:
    """Pack the network with our handler of its kind; the same weights give the same archive."""
    archive, packing = archive_of(folder, study), study.packing
    archive.parent.mkdir(exist_ok=True)
    watched = {**packing.watched, "keep": {"headers": [study.column]}}
    return pack(
        packing.kind,
        Path(str(study.network.__file__)),
        weights,
        archive,
        name=study.name,
        labels=study.labels,
        config={"foveal": watched, "preprocess": packing.preprocess},
    )


def _torchserve(folder: Path) -> TorchServe:
    return TorchServe(folder / "model_store", spool=folder / "spool", logs=folder / "logs")


class _Sent:
    """Which request carried which production sample, kept so that a second run sends nothing twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.samples: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}

    def complete(self, number: int) -> bool:
        """Whether all production samples were sent."""
        return len(self.samples) >= number

    def keep(self, samples: dict[str, int]) -> None:
        """Write the finished list down."""
        self.samples = samples
        self._path.write_text(json.dumps(samples))

    def truth(self, files: StudyFiles[T]) -> dict[str, T]:
        """Give the truth by request id."""
        made = files.made["production"]
        return {request: made[number] for request, number in self.samples.items()}


def _send(serving: TorchServe, files: StudyFiles[Any], sent: _Sent, report: Progress) -> None:
    """Send every production sample, where it was taken as a header, as the hospitals' gateways would."""
    study, samples = files.study, files.truth("production")
    requests: dict[str, int] = {}
    for number, (name, one) in enumerate(samples.items()):
        told = {study.column: study.planted(one).site}
        answer = serving.request(f"/predictions/{study.name}", (files.folder / name).read_bytes(), told)
        if answer.status != 200:
            raise EnvironmentFault(
                f"TorchServe answered {answer.status}: {answer.message}",
                f"Read {serving.logs / 'model_log.log'}",
            )
        requests[answer.headers["x-request-id"]] = number
        report(number + 1, len(samples))
    sent.keep(requests)


def _audit(folder: Path, model: AuditedModel, library: Library, plan: DemoPlan, report: Report) -> Findings:
    """Audit, or read the bundle that an audit of exactly this wrote before."""
    bundle, key = folder / "bundle", folder / "audited.txt"
    inputs = {"settings": asdict(plan.audit), "model": model.sha256, "code": _code_sha256()}
    state = sha256_json({**inputs, "shards": [shard["sha256"] for shard in library.shards()]})
    known = key.is_file() and key.read_text() == state and bundle.is_dir() and not verify_manifest(bundle)
    if known:
        return Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    findings = publish(model, library, plan.audit, bundle, progress=report, pdf=plan.paper).findings
    key.write_text(state)
    return findings


def _code_sha256() -> str:
    """Hash the audit's own code: another version audits again."""
    digest = hashlib.sha256()
    for path in sorted(Path(foveal_audit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
