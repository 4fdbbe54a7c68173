"""Whatever happens to one byte, one record or one file of a bundle, `foveal verify` finds it."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal_audit.bundle.manifest import MANIFEST, write_manifest
from foveal_audit.bundle.redactions import REDACTIONS, Redactions
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.commands.verify import check
from foveal_audit.judgement import rederive

EXTRA = "generators/contribution:12/notes.txt"


def settled(findings):
    """The same findings, with the verdicts that their numbers give."""
    config = findings.config.model_dump()
    own = [one.model_copy(update={"verdict": rederive(one, config)}) for one in findings.assessments]
    return findings_of(findings, own)


def findings_of(findings, assessments):
    derived = {"assessments", "findings", "summary"}
    kept = {name: getattr(findings, name) for name in Findings.model_fields if name not in derived}
    return Findings.of(assessments, findings.gaps, **kept)


def small(module_result):
    """Without pictures: every check reads the whole bundle."""
    findings = settled(module_result.findings)
    few = [one.model_copy(update={"entries": one.entries[:3]}) for one in findings.assessments]
    return replace(module_result, findings=findings_of(findings, few), coverage=module_result.coverage[:6])


def redact(bundle):
    """Shorten one file and take another out, as an erasure does."""
    files = {}
    for name, left in (("coverage.csv", b"sample,source,p_value,gap_group\n"), ("report.html", None)):
        was = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
        files[name] = {"was": was, "now": left and hashlib.sha256(left).hexdigest()}
        (bundle / name).unlink() if left is None else (bundle / name).write_bytes(left)
    erasure = {"erasure": "e", "when": "2026-03-01T00:00:00Z", "why": "samples were erased", "files": files}
    (bundle / REDACTIONS).write_text(Redactions(redactions=[erasure]).to_json())


@pytest.fixture(scope="module", params=["unsigned", "signed", "signed, then redacted"])
def bundle(request, module_result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    key = None
    if request.param != "unsigned":
        key = folder / "audit.key"
        private = Ed25519PrivateKey.generate()
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def generator(place):
        (place / "card.json").write_text('{"coverage": 0.9}')

    made = write_bundle(
        small(module_result),
        folder / "bundle",
        documents={"report.html": lambda _: "<p>one</p>\n<p>two</p>\n"},
        generators={"contribution:12": generator},
        key=key,
    )
    if request.param.endswith("redacted"):
        redact(made)
    return made


def contents(bundle):
    return {
        path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }


def flipped(data, content):
    at, mask = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    return content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


def truncated(data, content):
    return content[: data.draw(st.integers(0, len(content) - 1))]


def without_a_record(data, content):
    lines = content.splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    return b"".join(lines)


def with_swapped_records(data, content):
    lines = content.splitlines(keepends=True)
    a, b = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def with_a_record_twice(data, content):
    lines = content.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    return b"".join([*lines[:at], lines[at], *lines[at:]])


IN_A_FILE = [flipped, truncated, without_a_record, with_swapped_records, with_a_record_twice]


def damaged(data, whole):
    """Do one thing to one file, or to two; gives all files, and those whose name has to be told."""
    name = data.draw(st.sampled_from(sorted(whole)))
    kind = data.draw(st.sampled_from([*IN_A_FILE, "drop", "swap", "add", "rename"]))
    if callable(kind):
        return whole | {name: kind(data, whole[name])}, {name}
    if kind == "add":
        return whole | {EXTRA: b"mine"}, {EXTRA}
    left = {one: content for one, content in whole.items() if one != name}
    if kind == "drop":
        return left, {name}
    if kind == "rename":
        return left | {EXTRA: whole[name]}, {name, EXTRA}
    other = data.draw(st.sampled_from(sorted(whole)))
    return whole | {name: whole[other], other: whole[name]}, {name, other}


@contextmanager
def in_place(bundle, whole, files):
    """Lay other files into a bundle for a while."""
    try:
        lay(bundle, whole, files)
        yield
    finally:
        lay(bundle, files, whole)


def lay(bundle, before, after):
    for name in before.keys() - after.keys():
        (bundle / name).unlink()
    for name, content in after.items():
        if before.get(name) != content:
            (bundle / name).write_bytes(content)


def found(bundle):
    """The problems told; a folder without a manifest is refused as no bundle at all."""
    try:
        return check(bundle)["problems"]
    except UsageError as error:
        return [f"{MANIFEST}: {error}"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_single_damage_is_found_and_named(bundle, data):
    whole = contents(bundle)
    files, touched = damaged(data, whole)
    with in_place(bundle, whole, files):
        problems = found(bundle)
    told = {problem.partition(":")[0] if EXTRA not in problem else EXTRA for problem in problems}
    if files == whole:  # two equal lines swapped, or a file with itself
        assert problems == []
    elif {MANIFEST, REDACTIONS} & touched:  # without them nothing can be said of the other files
        assert problems
    else:
        assert {name for name in touched if ":" not in name} <= told
        assert problems
    assert found(bundle) == []


def test_verdicts_are_derived_again_by_the_audits_own_rule(module_result, tmp_path):
    """Whoever rewrites the manifest too is still contradicted by the numbers."""
    findings = settled(module_result.findings)
    made = write_bundle(replace(module_result, findings=findings), tmp_path / "bundle", documents={})
    assert check(made)["verdicts"] == len(findings.assessments)
    worst = findings.assessments[0]
    forged = "genuine" if worst.verdict != "genuine" else "confirmed"
    others = [one for one in findings.assessments if one.id != worst.id]
    lie = findings_of(findings, [worst.model_copy(update={"verdict": forged}), *others])
    (made / "findings.json").write_text(lie.to_json())
    (made / MANIFEST).unlink()
    write_manifest(made, lie.fingerprint)
    assert check(made)["problems"] == [
        f"findings.json: {worst.id} says {forged}, its numbers say {worst.verdict}"
    ]


def test_an_erasure_covers_up_no_earlier_change(module_result, tmp_path):
    documents = {"report.html": lambda _: "<p>one</p>"}
    made = write_bundle(small(module_result), tmp_path / "bundle", documents=documents)
    (made / "report.html").write_text("<p>forged</p>")
    redact(made)
    assert check(made)["problems"] == ["report.html: altered before samples were erased from it"]


def test_a_seal_that_does_not_fit_is_told(module_result, tmp_path):
    documents = {"report.html": lambda _: "<p>one</p>"}
    made = write_bundle(small(module_result), tmp_path / "bundle", documents=documents)
    redact(made)
    text = (made / REDACTIONS).read_text()
    (made / REDACTIONS).write_text(text.replace("samples were erased", "samples were ceased"))
    assert "redactions.json: altered, its seal does not fit" in check(made)["problems"]
