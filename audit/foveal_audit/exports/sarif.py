"""SARIF 2.1.0: the findings as the results of an analysis, for code-scanning pages and issue trackers.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. An artefact's results point at the
samples that show it; a window has no place in SARIF's regions of text and is a property of its location.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from foveal_audit.bundle.identity import canonical_json
from foveal_audit.bundle.schema import (
    MAX_ENTRIES,
    SCHEMA_ID,
    ArtefactFinding,
    EntryRef,
    Finding,
    GapFinding,
)
from foveal_audit.exports.filed import Filed
from foveal_audit.exports.phrases import GAPS, HOW_SURE, effects, mend, plain, story, title

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ARTEFACT = "foveal/artefact"
LEVELS = {"confirmed": "error", "suspected": "warning", "undecidable": "note"}
_SPACE = UUID("6f1d3f0e-3c55-5d6a-9d2b-0a6f8f4a7c11")  # ours: gives the same finding the same guid everywhere


def sarif(filed: Filed) -> str:
    """Write the findings as one SARIF run.

    Parameters
    ----------
    filed
        The bundle.

    Returns
    -------
    str
        JSON; the same bundle always gives the same text.
    """
    findings = filed.findings
    rules = sorted({rule_of(one) for one in findings.findings})
    run = {
        "tool": {"driver": _driver(filed, rules)},
        "automationDetails": {"id": f"foveal/{plain(findings.model.name)}/{findings.fingerprint[:16]}"},
        "invocations": [_invocation(filed)],
        "artifacts": [_model(filed)],
        "results": [_result(one, rules) for one in findings.findings],
        "properties": _properties(filed),
    }
    return canonical_json({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def rule_of(finding: Finding) -> str:
    """Name the rule that a finding falls under."""
    return ARTEFACT if isinstance(finding, ArtefactFinding) else f"foveal/gap/{finding.gap}"


def message(text: str) -> dict[str, str]:
    """Make a message of text from data: neither a placeholder nor a link can be hidden in it."""
    return {"text": text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")}


def _driver(filed: Filed, rules: Sequence[str]) -> dict[str, Any]:
    version = (filed.findings.environment.model_extra or {}).get("foveal", "0")
    return {"name": "Foveal", "version": plain(f"{version}"), "rules": [_rule(one) for one in rules]}


def _rule(name: str) -> dict[str, Any]:
    gap = name.rpartition("/")[2]
    short = "The model relies on something irrelevant" if name == ARTEFACT else GAPS[gap]
    return {"id": name, "shortDescription": {"text": f"{short}."}}


def _invocation(filed: Filed) -> dict[str, Any]:
    untold = [
        {"level": "note", "message": message(f"Not examined: {plain(line)}")}
        for line in filed.findings.not_examined
    ]
    ended = filed.findings.created.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"executionSuccessful": True, "endTimeUtc": ended, "toolExecutionNotifications": untold}


def _model(filed: Filed) -> dict[str, Any]:
    model = filed.findings.model
    return {
        "location": {"uri": reference(model.uri)},
        "description": message(plain(model.name)),
        "hashes": {"sha-256": model.sha256},
        "roles": ["analysisTarget"],
    }


def _properties(filed: Filed) -> dict[str, Any]:
    summary = filed.findings.summary
    return {
        "headline": plain(summary.headline),
        "facetsExamined": summary.facets,
        "verdicts": {**summary.verdicts},
        "bundleChain": filed.chain,
        "manifestSha256": filed.manifest,
        "findingsSchema": SCHEMA_ID,
        "samplesErasedSince": filed.redacted,
    }


def _result(finding: Finding, rules: Sequence[str]) -> dict[str, Any]:
    rule = rule_of(finding)
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": LEVELS[finding.verdict],
        "message": message(story(finding)),
        "guid": str(uuid5(_SPACE, finding.id)),
        "partialFingerprints": {"foveal/finding/v1": finding.id},
        **(_artefact(finding) if isinstance(finding, ArtefactFinding) else _gap(finding)),
    }


def _artefact(finding: ArtefactFinding) -> dict[str, Any]:
    feature = {"name": plain(finding.feature), "kind": "feature"}
    feature["fullyQualifiedName"] = f"{plain(finding.feature)}/facet {finding.facet}"
    return {
        "rank": round(100 * finding.artefact_score, 4),
        "locations": [_location(one) for one in finding.entries] or [{"logicalLocations": [feature]}],
        "properties": {
            "feature": plain(finding.feature),
            "facet": finding.facet,
            "verdict": finding.verdict,
            "meaning": HOW_SURE[finding.verdict],
            "reliance": finding.reliance,
            "irrelevance": finding.irrelevance,
            "qValue": finding.q_value,
            "effects": {name: one.model_dump() for name, one in effects(finding).items()},
            "entries": {**finding.n_entries},
            "action": mend(finding),
        },
    }


def _gap(finding: GapFinding) -> dict[str, Any]:
    return {
        "rank": round(100 * finding.share_of_production, 4),
        "locations": [_sample(name, "production") for name in finding.samples[:MAX_ENTRIES]],
        "relatedLocations": [_sample(name, "training") for name in finding.nearest_training[:MAX_ENTRIES]],
        "properties": {
            "gap": finding.gap,
            "verdict": finding.verdict,
            "statement": title(finding),
            "shareOfProduction": finding.share_of_production,
            "samples": len(finding.samples),
            "pValue": finding.p_value,
            "action": mend(finding),
        },
    }


def _location(entry: EntryRef) -> dict[str, Any]:
    place = _sample(entry.sample, entry.source)
    place["properties"] |= {"window": list(entry.window), "activation": entry.activation}
    return place


def _sample(name: str, source: str) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": reference(name)}}
    return {"physicalLocation": place, "properties": {"sample": plain(name), "source": source}}


def reference(path: str) -> str:
    """Write a path or request id as a URI reference that can name nothing but a file: no scheme, no host."""
    quoted = quote(path.encode("utf-8", "backslashreplace"), safe="/")
    return f"file:///{quoted.lstrip('/')}" if quoted.startswith("/") else quoted
