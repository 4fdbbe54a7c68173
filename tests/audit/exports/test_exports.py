"""Exports: what other people's tools read from a bundle."""

import json
import re

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from foveal.errors import UsageError
from foveal_audit.bundle.redactions import Redactions
from foveal_audit.exports.filed import open_filed, refuse_inside
from foveal_audit.exports.in_toto import in_toto
from foveal_audit.exports.registry import FORMATS, export_of
from foveal_audit.exports.sarif import message, reference

HOSTILE = "a\u202eb</script><script>alert(1)</script>[x](javascript:alert(1)){0}\x00\ud800"
ID = r"[AG]-[0-9a-f]{8}"


def exported(bundle, name):
    return json.loads(export_of(name)(open_filed(bundle)))


@pytest.fixture
def hostile(make_bundle, result):
    model, library = result.findings.model, result.findings.library
    return make_bundle(
        "hostile",
        model=model.model_dump() | {"name": HOSTILE, "uri": f"//evil/{HOSTILE}", "labels": [HOSTILE]},
        library=library.model_dump() | {"name": HOSTILE},
        not_examined=[HOSTILE],
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_bundle_gives_the_same_bytes(make_bundle, name):
    one, other = make_bundle("one"), make_bundle("other")
    assert FORMATS[name](open_filed(one)) == FORMATS[name](open_filed(other))


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_stays_text(hostile, name):
    text = export_of(name)(open_filed(hostile))
    assert text.isascii()
    values = "\n".join(strings(json.loads(text)))
    assert "\\u202e" in values  # written out, so that it turns no reading order
    assert not re.search("[\x00-\x08\u202e\ud800]", values)


def strings(value):
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def test_sarif_names_each_finding_with_its_level_and_samples(bundle, result):
    run = exported(bundle, "sarif")["runs"][0]
    artefact, gap = run["results"]
    finding = result.findings.artefacts[0]
    assert artefact["ruleId"] == "foveal/artefact"
    assert artefact["level"] == "warning"
    assert artefact["rank"] == 90
    assert artefact["partialFingerprints"] == {"foveal/finding/v1": finding.id}
    assert artefact["message"]["text"].startswith(
        "Suspected reliance on an artefact: contribution:12, facet 0. Removing it takes 0.42 off"
    )
    assert "Against it: 6% of its entries" in artefact["message"]["text"]
    assert len(artefact["locations"]) == 120
    first = artefact["locations"][0]
    assert first["physicalLocation"]["artifactLocation"] == {"uri": "site_b/00000.png"}
    assert first["properties"]["window"] == list(finding.entries[0].window)
    assert gap["ruleId"] == "foveal/gap/uncovered_group"
    assert gap["properties"]["samples"] == 61
    assert gap["properties"]["action"] == "Acquire more samples like these."
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == [artefact["ruleId"], gap["ruleId"]]
    assert [artefact["ruleIndex"], gap["ruleIndex"]] == [0, 1]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 2


def test_sarif_text_holds_neither_links_nor_placeholders():
    assert message("see [here](javascript:x) {0}") == {"text": "see [here\\](javascript:x) {{0}}"}


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("site a/1.png", "site%20a/1.png"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("//evil.example/x.png", "file:///evil.example/x.png"),
        ("/data/1.png", "file:///data/1.png"),
        ("https://evil.example/", "https%3A//evil.example/"),
        ("\ud800", "%5Cud800"),
    ],
)
def test_a_sample_is_a_file_and_nothing_else(path, uri):
    assert reference(path) == uri


@pytest.mark.parametrize("which", ["bundle", "hostile"])
def test_the_bill_of_materials_holds_to_the_published_schema(request, which):
    text = export_of("cyclonedx")(open_filed(request.getfixturevalue(which)))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_published_schema_refuses_a_wrong_bill_of_materials(bundle):
    wrong = exported(bundle, "cyclonedx")
    wrong["metadata"]["component"]["modelCard"]["compliant"] = True
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(wrong)) is not None


def test_the_model_card_says_what_was_found(bundle, result):
    bom = exported(bundle, "cyclonedx")
    model = bom["metadata"]["component"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": result.findings.model.sha256}]
    card = model["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert [one["type"] for one in metrics] == [
        "effect of removal",
        "effect of paste",
        "effect of mediation",
    ]
    assert metrics[0]["value"] == "0.42"
    assert metrics[0]["confidenceInterval"] == {"lowerBound": "0.35", "upperBound": "0.49"}
    limits = card["considerations"]["technicalLimitations"]
    assert len(limits) == 4  # an artefact, a gap, two things not examined
    kinds = {one["bom-ref"]: one["type"] for one in bom["components"]}
    assert kinds["data/training"] == "data"
    assert kinds["generators/contribution:12"] == "machine-learning-model"
    packages = [one.get("purl") for one in bom["components"] if one["type"] == "library"]
    assert packages == ["pkg:pypi/numpy@2.4.6", "pkg:pypi/torch@2.13.0"]


def test_the_statement_is_about_the_model_and_sorts_every_assessment(bundle, result):
    statement = exported(bundle, "in-toto")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "nodules", "digest": {"sha256": result.findings.model.sha256}}]
    predicate = statement["predicate"]
    assert predicate["result"] == "WARNED"
    judged = [*predicate["passedTests"], *predicate["warnedTests"], *predicate["failedTests"]]
    findings = result.findings
    assert sorted(judged) == sorted(one.id for one in [*findings.assessments, *findings.gaps])
    assert findings.artefacts[0].id in predicate["warnedTests"]
    names = [one["name"] for one in predicate["evidence"]]
    assert names[0] == "manifest.json"
    assert {"findings.json", "report.html", "generators/contribution:12/card.json"} <= set(names)


@pytest.mark.parametrize(
    ("verdict", "word"), [("confirmed", "FAILED"), ("suspected", "WARNED"), ("genuine", "PASSED")]
)
def test_the_worst_verdict_is_the_result(bundle, verdict, word):
    filed = open_filed(bundle)
    one = filed.findings.assessments[0].model_copy(update={"verdict": verdict})
    sole = filed.findings.model_copy(update={"assessments": [one], "findings": []})
    changed = type(filed)(sole, filed.files, filed.chain, filed.manifest, redacted=False)
    assert json.loads(in_toto(changed))["predicate"]["result"] == word


@pytest.mark.parametrize("name", FORMATS)
def test_no_export_promises_more_than_the_audit(bundle, name):
    assert not re.search("complian|certif|safe", export_of(name)(open_filed(bundle)))


def test_an_altered_bundle_is_not_vouched_for(bundle):
    (bundle / "coverage.csv").write_text("mine")
    with pytest.raises(UsageError) as error:
        open_filed(bundle)
    fault = f"{bundle} was altered (coverage.csv: altered)"
    assert str(error.value) == f"{fault}. Look at it with `foveal verify`."


def test_a_redacted_bundle_says_so_and_names_what_is_left(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    change = {"was": manifest["files"]["report.html"], "now": None}
    (bundle / "report.html").unlink()
    one = {"erasure": "e", "when": "2026-03-01T00:00:00Z", "why": "w", "files": {"report.html": change}}
    (bundle / "redactions.json").write_text(Redactions(redactions=[one]).to_json())
    filed = open_filed(bundle)
    assert filed.redacted
    assert "report.html" not in filed.files
    assert exported(bundle, "sarif")["runs"][0]["properties"]["samplesErasedSince"] is True


def test_an_unknown_format_is_told_with_the_nearest():
    with pytest.raises(UsageError) as error:
        export_of("cyclondx")
    assert str(error.value) == "There is no format 'cyclondx'. Did you mean 'cyclonedx'."


def test_nothing_is_written_into_the_bundle(bundle):
    out = bundle / "findings.sarif"
    with pytest.raises(UsageError) as error:
        refuse_inside(bundle, out)
    mend = "Choose another place: a bundle holds what its manifest.json names"
    assert str(error.value) == f"{out} lies inside the bundle. {mend}."
