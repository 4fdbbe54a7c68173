"""Where every number comes from: the model, the library, the settings and the versions that computed it."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from foveal import Library
from foveal.archives import AuditedModel
from foveal_audit.bundle.identity import sha256_json
from foveal_audit.bundle.schema import Config, Environment, LibraryRef, ModelRef
from foveal_audit.judgement.fusion import FUSIONS
from foveal_audit.judgement.verdict import as_record
from foveal_audit.knowledge import NOTHING, Knowledge
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence

_PACKAGES = (
    "foveal",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "Pillow",
    "mlflow",
    "pyarrow",
    "onnx",
)


def model_ref(model: AuditedModel) -> ModelRef:
    """Describe the audited model."""
    return ModelRef(name=model.name, sha256=model.sha256, labels=list(model.labels), uri=model.source)


def library_ref(library: Library, model: AuditedModel, evidence: Evidence) -> LibraryRef:
    """Describe the library: which shards were read and what they held."""
    shards = [shard for shard in library.shards() if shard["model_sha256"] == model.sha256]
    owners = [evidence.contribution.owner, *(windows.owner for windows in evidence.nodes.values())]
    entries = Counter(source for owner in owners for source in evidence.samples.sources[owner].tolist())
    return LibraryRef(
        name=library.name,
        run_id=library.run_id,
        uri=library.uri,
        shards={shard["name"]: shard["sha256"] for shard in shards},
        samples=dict(Counter(evidence.samples.sources.tolist())),
        entries=dict(entries),
    )


def config_record(
    settings: AuditSettings, model: AuditedModel, knowledge: Knowledge = NOTHING, axes: int = 2
) -> Config:
    """Write down settings, thresholds, what weighs signals of samples of so many axes, and the hash."""
    content: dict[str, object] = {
        "audit": asdict(settings) | {"features": list(settings.features)},
        "thresholds": dict(as_record()),
        "fusion": FUSIONS[axes].record(),
        "model_config_sha256": model.config.sha256,
    }
    if knowledge.identity:
        content["knowledge_sha256"] = knowledge.identity
    return Config.model_validate({**content, "sha256": sha256_json(content)})


def environment_record() -> Environment:
    """Write down the versions of everything that computes a number, and their hash."""
    content = {"python": platform.python_version(), "machine": platform.machine()}
    content |= {name: found for name in _PACKAGES if (found := _version(name))}
    return Environment.model_validate({**content, "sha256": sha256_json(content)})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
