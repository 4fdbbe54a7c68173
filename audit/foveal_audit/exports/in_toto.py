"""An in-toto Statement: which model was examined, with what result, and the hashes of the evidence.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and the predicate
https://in-toto.io/attestation/test-result/v0.1. The statement is not signed; wrap it with your own tool.
"""

from __future__ import annotations

from typing import Any

from foveal_audit.bundle.identity import canonical_json
from foveal_audit.bundle.manifest import MANIFEST
from foveal_audit.bundle.schema import Findings
from foveal_audit.exports.filed import Filed
from foveal_audit.exports.phrases import plain, title

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
#: The predicate's words for what an audit concludes of a facet or gap.
TESTS = {
    "confirmed": "failedTests",
    "suspected": "warnedTests",
    "undecidable": "warnedTests",
    "genuine": "passedTests",
    "not_relied_on": "passedTests",
}


def in_toto(filed: Filed) -> str:
    """Write the statement.

    Parameters
    ----------
    filed
        The bundle.

    Returns
    -------
    str
        JSON; the same bundle always gives the same text.
    """
    model = filed.findings.model
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": plain(model.name), "digest": {"sha256": model.sha256}}],
        "predicateType": PREDICATE,
        "predicate": _predicate(filed),
    }
    return canonical_json(statement)


def _predicate(filed: Filed) -> dict[str, Any]:
    """Sort every facet and gap; unknown fields of a predicate are the reader's to leave."""
    tests = _tests(filed.findings)
    return {
        "result": _result(tests),
        "configuration": [_resource("config", filed.findings.config.sha256)],
        **tests,
        "evidence": [
            _resource(MANIFEST, filed.manifest),
            *(_resource(path, digest) for path, digest in sorted(filed.files.items())),
        ],
        "findings": [{"id": one.id, "statement": title(one)} for one in filed.findings.findings],
        "notExamined": [plain(line) for line in filed.findings.not_examined],
        "headline": plain(filed.findings.summary.headline),
    }


def _tests(findings: Findings) -> dict[str, list[str]]:
    judged = [(one.id, one.verdict) for one in findings.assessments]
    judged += [(one.id, one.verdict) for one in findings.gaps]
    return {
        kind: sorted(name for name, verdict in judged if TESTS[verdict] == kind)
        for kind in ("passedTests", "warnedTests", "failedTests")
    }


def _result(tests: dict[str, list[str]]) -> str:
    if tests["failedTests"]:
        return "FAILED"
    return "WARNED" if tests["warnedTests"] else "PASSED"


def _resource(name: str, digest: str) -> dict[str, Any]:
    return {"name": plain(name), "digest": {"sha256": digest}}
