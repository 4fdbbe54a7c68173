"""What changed since the last audit, as the report says it."""

from dataclasses import replace

import pytest

from foveal_audit.bundle.since import Before, Change, Since
from foveal_audit.report.changing import KINDS, SCORES, since_view
from foveal_audit.report.page import render_page

CHANGES = [
    Change(id="G-00000009", kind="gap", title="uncovered group", then=None, now="suspected"),
    Change(
        id="A-00000001",
        id_then="A-00000009",
        kind="facet",
        title="facet 0 of <b>fc1:1</b>",
        then="genuine",
        now="suspected",
        scores={"artefact_score": (0.1, 0.8), "reliance": (0.2, 0.7)},
    ),
    Change(id="A-00000002", kind="facet", title="facet 0 of fc1:2", then="confirmed", now=None),
    Change(id="A-00000003", kind="facet", title="facet 0 of fc1:3", then="genuine", now="undecidable"),
    Change(
        id="A-00000004",
        kind="facet",
        title="f",
        then="genuine",
        now="genuine",
        scores={"reliance": (0.3, 0.36)},
    ),
    Change(id="A-00000006", kind="facet", title="f", then=None, now="not_relied_on"),
]


def since(findings, changes, **about):
    before = Before(
        created=findings.created,
        fingerprint="0f" * 32,
        model=findings.model.name,
        model_sha256="aa" * 32,
        model_uri="models:/nodules/2",
        library=findings.library.name,
        samples={"training": 2400},
        entries=findings.library.entries,
        config_sha256=findings.config.sha256,
        environment_sha256=findings.environment.sha256,
    )
    return Since(**({"manifest": "ab" * 32, "before": before, "changes": changes, "unchanged": 31} | about))


def with_since(result, told):
    return replace(result, findings=result.findings.model_copy(update={"since": told}))


def test_one_line_counts_everything(result):
    view = since_view(with_since(result, since(result.findings, CHANGES)).findings)
    assert view.line == (
        "Since the audit of 2026-11-21 08:07 UTC: 2 newly call for action, 1 no longer do, "
        "1 judged otherwise without that, 1 with the same verdict and other scores, "
        "1 came or went without ever calling for action, 31 unchanged."
    )
    view = since_view(with_since(result, since(result.findings, [], unchanged=0)).findings)
    assert view.line == "Since the audit of 2026-11-21 08:07 UTC: nothing to compare."


def test_what_both_audits_were_about(result):
    view = since_view(with_since(result, since(result.findings, [])).findings)
    differing = {row.part: (row.then, row.now) for row in view.rows if not row.same}
    findings = result.findings
    assert differing == {
        "Model, from": ("models:/nodules/2", findings.model.uri),
        "Model, sha256": ("aa" * 32, findings.model.sha256),
        "Samples": ("2,400 training", "2,500 training, 500 production"),
        "Findings, fingerprint": ("0f" * 32, findings.fingerprint),
    }


def test_the_page_lists_each_change_and_says_it_first(result):
    html = render_page(with_since(result, since(result.findings, CHANGES)))
    section = html[html.index('<section id="changes">') : html.index('<section id="appendix">')]
    for change in CHANGES:
        assert change.id in section
        assert KINDS[change.what] in section
    assert "facet 0 of &lt;b&gt;fc1:1&lt;/b&gt;, then <code>A-00000009</code>" in section
    assert "artefact score 0.10 → 0.80; reliance 0.20 → 0.70" in section
    assert "<td>Confirmed reliance</td><td>\u2013</td>" in section
    assert "<td>\u2013</td><td>Suspected</td>" in section  # a gap
    first_page = html[: html.index('<section id="artefacts">')]
    assert "2 newly call for action, 1 no longer do" in first_page


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "This is the first audit of its chain: no earlier bundle was given to compare it with."),
        (
            Since(manifest="ab" * 32),
            "An earlier audit was given, but its findings cannot be read; what changed is not known.",
        ),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_so(result, told, words):
    html = render_page(with_since(result, told))
    assert words in html[html.index('<section id="changes">') :]


def test_every_kind_and_score_has_a_name():
    assert set(KINDS) == {change.what for change in CHANGES}
    assert set(SCORES) == {"artefact_score", "reliance", "irrelevance", "share_of_production"}
