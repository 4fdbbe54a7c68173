"""Run the demo: make, train, pack, serve, ship, collect, audit, and compare with what was planted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

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
from foveal_audit.demo.making import MEAN, STD, StudyFiles, image_name, train_network, write_study
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.demo.stages import Stages
from foveal_audit.publishing import publish
from foveal_audit.reproducible import one_thread
from foveal_audit.studies import network as network_module
from foveal_audit.studies.nodules import OUTCOMES, SIZE, Nodule

MODEL = "nodules"
ARCHIVE = "model_store/nodules.mar"
_MARK = "foveal-demo"


@dataclass(frozen=True)
class DemoResult:
    """What a demo leaves behind: its findings, how they compare with the truth, and where things lie."""

    findings: Findings
    comparison: Comparison
    bundle: Path
    archive: Path
    tracking_uri: str


def run_demo(out: Path, plan: DemoPlan, study: str, seed: int = 0) -> DemoResult:
    """Run the whole main job in one folder; what an earlier run finished there is not done again.

    Parameters
    ----------
    out
        Folder of the demo; a sub-folder per study, seed and size.
    plan
        How large.
    study
        ``standard``, or ``null`` where the marker tells nothing.
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
    folder = _folder(out, plan, study, seed)
    stages = Stages(plan.training + plan.production)
    with one_thread(), ExitStack() as servers:
        with stages.stage("making the study"):
            files = write_study(folder / "data", study, plan, seed)
        with stages.stage("training the network") as report:
            weights = train_network(files, plan, seed, partial(report, "training"))
        with stages.stage("packing the model"):
            model = load_model(str(pack_demo(folder, weights)))
        sent = _Sent(folder / f"requests-{model.sha256[:12]}.json")
        with stages.stage("starting TorchServe and MLflow"):
            mlflow = servers.enter_context(MlflowServer(folder / "mlflow"))
            serving = None if sent.complete(plan.production) else servers.enter_context(_torchserve(folder))
        library = Library(MODEL, mlflow.uri)
        with stages.stage("sending the production images") as report:
            if serving is not None:
                _send(serving, files, sent, partial(report, "sending"))
                serving.stop()
        with stages.stage("shipping to the feature library"):
            if (folder / "spool").is_dir():
                ship(folder / "spool", library)
        with stages.stage("collecting the training images") as report:
            collect(model, files.training, "training", library, report)
        with stages.stage("auditing") as report:
            findings = _audit(folder, model, library, plan, report)
        comparison = compare(findings, {**_training_truth(files), **sent.truth(files)})
        return DemoResult(findings, comparison, folder / "bundle", folder / ARCHIVE, mlflow.database_uri)


def _folder(out: Path, plan: DemoPlan, study: str, seed: int) -> Path:
    mark = out / _MARK
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not mark.is_file())):
        raise UsageError(
            f"{out} holds something else", "Give an empty folder, or one that a demo made: --out DIR"
        )
    out.mkdir(parents=True, exist_ok=True)
    if not mark.is_file():
        mark.write_text("Made by: foveal demo\n")
    folder = out / f"{study}-{plan.training}-{seed}"
    folder.mkdir(exist_ok=True)
    return folder


def pack_demo(folder: Path, weights: Path) -> Path:
    """Pack the network with our vision handler; the same weights give the same archive."""
    store = folder / "model_store"
    store.mkdir(exist_ok=True)
    return pack(
        "vision",
        Path(network_module.__file__),
        weights,
        folder / ARCHIVE,
        name=MODEL,
        size=(SIZE, SIZE),
        channels=1,
        mean=(MEAN,),
        std=(STD,),
        labels=OUTCOMES,
        config={"foveal": {"keep": {"headers": ["site"]}}},
    )


def _torchserve(folder: Path) -> TorchServe:
    return TorchServe(folder / "model_store", spool=folder / "spool", logs=folder / "logs")


class _Sent:
    """Which request carried which production image, kept so that a second run sends nothing twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.images: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}

    def complete(self, number: int) -> bool:
        """Whether all production images were sent."""
        return len(self.images) >= number

    def keep(self, images: dict[str, int]) -> None:
        """Write the finished list down."""
        self.images = images
        self._path.write_text(json.dumps(images))

    def truth(self, files: StudyFiles) -> dict[str, Nodule]:
        """Give the truth by request id."""
        made = files.made["production"]
        return {request: made[number] for request, number in self.images.items()}


def _send(serving: TorchServe, files: StudyFiles, sent: _Sent, report: Callable[[int, int], None]) -> None:
    """Send every production image with its site as a header, as the hospitals' gateways would."""
    images: dict[str, int] = {}
    made = files.made["production"]
    for number, nodule in enumerate(made):
        data = (files.folder / image_name("production", number)).read_bytes()
        answer = serving.request(f"/predictions/{MODEL}", data, {"site": nodule.site})
        if answer.status != 200:
            raise EnvironmentFault(
                f"TorchServe answered {answer.status}: {answer.message}",
                f"Read {serving.logs / 'model_log.log'}",
            )
        images[answer.headers["x-request-id"]] = number
        report(number + 1, len(made))
    sent.keep(images)


def _training_truth(files: StudyFiles) -> dict[str, Nodule]:
    return {image_name("training", number): one for number, one in enumerate(files.made["training"])}


def _audit(folder: Path, model: AuditedModel, library: Library, plan: DemoPlan, report: Report) -> Findings:
    """Audit, or read the bundle that an audit of exactly this wrote before."""
    bundle, key = folder / "bundle", folder / "audited.txt"
    inputs = {"settings": asdict(plan.audit), "model": model.sha256, "code": _code_sha256()}
    state = sha256_json({**inputs, "shards": [shard["sha256"] for shard in library.shards()]})
    known = key.is_file() and key.read_text() == state and bundle.is_dir() and not verify_manifest(bundle)
    if known:
        return Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    findings = publish(model, library, plan.audit, bundle, progress=report).findings
    key.write_text(state)
    return findings


def _code_sha256() -> str:
    """Hash the audit's own code: another version audits again."""
    digest = hashlib.sha256()
    for path in sorted(Path(foveal_audit.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
