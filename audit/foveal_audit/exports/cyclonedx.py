"""CycloneDX 1.6: a bill of materials of the audited model, with its model card.

Source: https://cyclonedx.org/docs/1.6/json/. Written as plain JSON, as cyclonedx-python-lib has no model
cards; its copy of the published schema checks this one in the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from packageurl import PackageURL

from foveal_audit.bundle.identity import canonical_json
from foveal_audit.bundle.schema import ArtefactFinding, Effect
from foveal_audit.exports.filed import Filed
from foveal_audit.exports.phrases import effects, mend, plain, story, title

_SPACE = UUID("0c1e1d52-6a0b-5b53-8a0e-6f8a2cb3f1d4")  # ours: gives the same bundle the same serial number
_MODEL = "model"
#: What the environment records beside packages.
_NO_PACKAGES = frozenset({"sha256", "machine", "python", "foveal"})


def cyclonedx(filed: Filed) -> str:
    """Write the bill of materials of the audited model.

    Parameters
    ----------
    filed
        The bundle.

    Returns
    -------
    str
        JSON; the same bundle always gives the same text.
    """
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(_SPACE, filed.chain)}",
        "version": 1,
        "metadata": {
            "timestamp": filed.findings.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [_tool(filed)]},
            "component": _model(filed),
        },
        "components": [*_data(filed), *_generators(filed), *_packages(filed)],
        "dependencies": [{"ref": _MODEL, "dependsOn": [one["bom-ref"] for one in _data(filed)]}],
    }
    return canonical_json(bom)


def _tool(filed: Filed) -> dict[str, Any]:
    version = (filed.findings.environment.model_extra or {}).get("foveal", "0")
    return {"type": "application", "name": "Foveal", "version": plain(f"{version}")}


def _model(filed: Filed) -> dict[str, Any]:
    model = filed.findings.model
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": plain(model.name),
        "version": model.sha256[:12],
        "hashes": _sha256(model.sha256),
        "modelCard": {
            "modelParameters": _parameters(filed),
            "quantitativeAnalysis": {"performanceMetrics": list(_metrics(filed))},
            "considerations": {
                "technicalLimitations": _limitations(filed),
                "ethicalConsiderations": list(_considerations(filed)),
            },
            "properties": _properties(filed),
        },
        "externalReferences": list(_evidence(filed)),
    }


def _parameters(filed: Filed) -> dict[str, Any]:
    labels = ", ".join(plain(one) for one in filed.findings.model.labels)
    return {
        "task": "classification",
        "datasets": [{"ref": one["bom-ref"]} for one in _data(filed)],
        "outputs": [{"format": f"one score for each class: {labels}"}],
    }


def _metrics(filed: Filed) -> Iterator[dict[str, Any]]:
    """Give the effects behind each finding; shares of probability, as in ``findings.json``."""
    for one in filed.findings.artefacts:
        for name, effect in effects(one).items():
            yield _metric(f"effect of {name}", one, effect)


def _metric(kind: str, finding: ArtefactFinding, effect: Effect) -> dict[str, Any]:
    bounds = {"lowerBound": f"{effect.low:g}", "upperBound": f"{effect.high:g}"}
    where = f"{plain(finding.feature)}, facet {finding.facet} ({finding.id}, {finding.verdict})"
    return {"type": kind, "value": f"{effect.estimate:g}", "slice": where, "confidenceInterval": bounds}


def _limitations(filed: Filed) -> list[str]:
    found = [story(one) for one in filed.findings.findings]
    return [*found, *(f"Not examined: {plain(line)}" for line in filed.findings.not_examined)]


def _considerations(filed: Filed) -> Iterator[dict[str, str]]:
    for one in filed.findings.findings:
        yield {"name": f"{one.id}: {title(one)}", "mitigationStrategy": mend(one)}


def _properties(filed: Filed) -> list[dict[str, str]]:
    facts = {
        "headline": plain(filed.findings.summary.headline),
        "facets": str(filed.findings.summary.facets),
        "bundle:chain": filed.chain,
        "bundle:manifest:sha256": filed.manifest,
        "bundle:redacted": str(filed.redacted).lower(),
        "config:sha256": filed.findings.config.sha256,
        "environment:sha256": filed.findings.environment.sha256,
        "seed": str(filed.findings.seed),
    }
    facts |= {f"verdict:{name}": str(count) for name, count in filed.findings.summary.verdicts.items()}
    return [{"name": f"foveal:{name}", "value": value} for name, value in sorted(facts.items())]


def _evidence(filed: Filed) -> Iterator[dict[str, Any]]:
    kinds = {"findings.json": "quality-metrics", "report.html": "evidence", "report.pdf": "evidence"}
    for path, kind in kinds.items():
        if path in filed.files:
            yield {"type": kind, "url": path, "hashes": _sha256(filed.files[path])}


def _data(filed: Filed) -> list[dict[str, Any]]:
    """Describe what the model was audited on: one set of samples for each source."""
    library = filed.findings.library
    shards = [{"name": f"shard {plain(name)}", "value": digest} for name, digest in library.shards.items()]
    return [
        {
            "type": "data",
            "bom-ref": f"data/{source}",
            "name": f"{plain(library.name)} ({source})",
            "version": plain(library.run_id),
            "description": f"{count} samples, {library.entries.get(source, 0)} entries",
            "properties": shards,
        }
        for source, count in sorted(library.samples.items())
    ]


def _generators(filed: Filed) -> Iterator[dict[str, Any]]:
    for folder, files in filed.generators():
        yield {
            "type": "machine-learning-model",
            "bom-ref": folder,
            "name": plain(folder),
            "description": "Generator that learned the appearance of one feature, part of the evidence",
            "components": [
                {
                    "type": "file",
                    "bom-ref": f"{folder}/{name}",
                    "name": plain(name),
                    "hashes": _sha256(digest),
                }
                for name, digest in files.items()
            ],
        }


def _packages(filed: Filed) -> Iterator[dict[str, Any]]:
    """Name the packages that computed the numbers."""
    for name, version in sorted((filed.findings.environment.model_extra or {}).items()):
        if name not in _NO_PACKAGES and isinstance(version, str):
            purl = PackageURL("pypi", None, name, version).to_string()
            yield {
                "type": "library",
                "bom-ref": f"package/{name}",
                "name": plain(name),
                "version": plain(version),
                "purl": purl,
            }


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]
