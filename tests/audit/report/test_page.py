"""report.html: self-contained, safe whatever the data says, and readable."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import cycle

import numpy as np
import pytest

from foveal_audit import elements
from foveal_audit.bundle.evidence import AuditResult, FacetEvidence, GapEvidence
from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import ArtefactFinding, Findings, Signal
from foveal_audit.bundle.worklist import Order
from foveal_audit.judgement.fusion import FUSION
from foveal_audit.report import page, wording
from foveal_audit.report.error_rates import measured_rates
from foveal_audit.report.mapping import MAPPING
from foveal_audit.report.page import content_security_policy, render_page, weblink
from foveal_audit.report.sections import SECTIONS

VOID = {"meta", "img"}
FREE_KEYS = {"signals", "classes", "explained_by", "timings"}
FIXED = {
    *("id", "verdict", "source", "gap", "action", "kind", "sha256", "schema_version", "headline", "created"),
}
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;b&gt;{{ 7*7 }}\u202e"


class Reader(HTMLParser):
    """Collect the tags, attributes and text of a page, and insist that tags are closed in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.scripts, self.declared = [], [], [], [], None
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_decl(self, decl):
        self.declared = decl

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self):
        """The text of the page without its style sheet and scripts."""
        return " ".join(" ".join(text for text in self.text if ":root {" not in text).split())

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            self.scripts.append((self.all("script")[-1], data))
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def made(module_result):
    """Read the report of the made-up audit once."""
    html = render_page(module_result)
    return module_result, html, Reader(html)


def spoiled(result, text):
    """Put a text into every string of an audit that is free, keeping all numbers."""

    def spoil(value, key=""):
        if key == "shards":
            return {f"{name} {text}": digest for name, digest in value.items()}
        if isinstance(value, dict) and key in FREE_KEYS:
            return {f"{name} {text}": spoil(one) for name, one in value.items()}
        if isinstance(value, dict):
            return {name: spoil(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [spoil(one, key) for one in value]
        return f"{value} {text}" if isinstance(value, str) and key not in FIXED else value

    findings = Findings.model_validate(spoil(result.findings.model_dump(mode="json")))
    assessments = {one.id: one for one in findings.assessments}
    return AuditResult(
        findings,
        [
            FacetEvidence(
                **vars(one)
                | {
                    "assessment": assessments[one.assessment.id],
                    "refs": assessments[one.assessment.id].entries[:12],
                    "card": {"notes": [text]},
                    "lattice": {"feature": text, "axes": [{"label": text}]},
                    "generator_dir": text,
                }
            )
            for one in result.facets
        ],
        [GapEvidence(findings.gaps[0], one.crops, one.refs, one.nearest) for one in result.gaps],
        result.coverage,
    )


def test_the_verdict_comes_first(made):
    _, _, read = made
    assert read.declared == "doctype html"
    assert read.words.index("1 artefact suspected, 1 training-set gap") < 100
    assert [name for name, _ in read.tags].index("h1") < [name for name, _ in read.tags].index("h2")


def test_the_sections_follow_in_the_order_of_the_contents(made):
    _, _, read = made
    contents = [link["href"][1:] for link in read.all("a") if link["href"].startswith("#")]
    assert contents == [section["id"] for section in read.all("section")]
    assert contents == list(SECTIONS)
    headings = re.findall(r"<h2><span class=\"no\">(\d)</span>", made[1])
    assert headings == [str(number) for number in range(1, len(SECTIONS) + 1)]


def test_nothing_is_loaded_and_nothing_runs(made):
    _, _, read = made
    tags = {name for name, _ in read.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "svg", "base", "video", "audio"}
    assert all(image["src"].startswith("data:image/png;base64,") for image in read.all("img"))
    assert all(link["href"].startswith(("#", "http://", "https://")) for link in read.all("a"))
    for _, attributes in read.tags:
        assert not {"style", "srcset", "background", "srcdoc"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)


LATTICE = {"feature": "fc1:7", "axes": [{"label": "<b>brighter</b>"}], "sprite": "data:image/webp;base64,AA"}


@pytest.fixture(scope="module")
def sliding(made):
    """Read the report of an audit whose first two facets have sliders."""
    facets = [replace(one, lattice=LATTICE) for one in made[0].facets[:2]] + list(made[0].facets[2:])
    html = render_page(replace(made[0], facets=facets))
    return html, Reader(html)


def test_only_the_script_of_the_sliders_runs_and_the_policy_names_it(sliding):
    _, read = sliding
    runs = [text for attributes, text in read.scripts if "type" not in attributes]
    (digest,) = ["sha256-" + base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in runs]
    assert digest == elements.sha256("sliders")
    (policy,) = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    assert re.findall(r"script-src ([^;]*);", policy) == [f"'{digest}'"]
    assert "unsafe" not in policy
    told = [json.loads(text) for attributes, text in read.scripts if "type" in attributes]
    assert told == [LATTICE, LATTICE]
    assert {attributes.get("type") for attributes, _ in read.scripts} == {None, "application/json"}


def test_sliders_stand_beside_pictures_and_say_what_they_show(sliding):
    html, read = sliding
    assert len(read.all("foveal-sliders")) == 2
    finding = html[
        html.index('<article class="finding"') : html.index("</article>", html.index('class="finding"'))
    ]
    assert "generated variants" in finding
    assert "<foveal-sliders>" in finding
    gallery = html[html.index('<div class="gallery">') :]
    assert gallery.index("<details") < gallery.index("<foveal-sliders>") < gallery.index("</details>")
    assert read.words.count("The sliders need scripts, which are switched off here.") == 2


def test_past_the_budget_sliders_go_from_other_facets_first(sliding, made, monkeypatch):
    facets = [replace(one, lattice={**LATTICE, "sprite": "A" * 3_000_000}) for one in made[0].facets[:2]]
    result = replace(made[0], facets=facets)
    for budget, left in ((20_000_000, 2), (5_000_000, 1), (2_000_000, 0)):
        monkeypatch.setattr(page, "BUDGET", budget)
        read = Reader(render_page(result))
        assert len(read.all("foveal-sliders")) == left
        assert len(read.all("script")) == left + (left > 0)


def test_the_style_sheet_loads_nothing(made):
    _, html, _ = made
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_this_style_sheet_and_pictures_inside_the_page_and_nothing_else(made):
    _, html, read = made
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_hostile_text_changes_no_tag_and_no_attribute_name(made):
    result, _, _ = made
    harmless, hostile = (Reader(render_page(spoiled(result, text))).tags for text in ("x", HOSTILE))
    names = [[(tag, sorted(attributes)) for tag, attributes in tags] for tags in (harmless, hostile)]
    assert names[0] == names[1]


def test_hostile_text_is_shown_as_it_is(made):
    result, _, _ = made
    words = Reader(render_page(spoiled(result, HOSTILE))).words
    assert words.count("<script>alert(1)</script>") > 50
    told = [
        json.loads(text)
        for attributes, text in Reader(render_page(spoiled(result, HOSTILE))).scripts
        if attributes
    ]
    assert told[0]["feature"] == HOSTILE
    assert "{{ 7*7 }}" in words
    assert "&lt;b&gt;" in words
    assert "\u202e" not in words


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", " http://x"]
)
def test_only_web_pages_become_links(address):
    assert weblink(address) is None
    assert weblink("http://127.0.0.1:5000/#/x") == "http://127.0.0.1:5000/#/x"


def test_the_report_never_judges_in_the_law_s_words(made):
    _, _, read = made
    for word in ("compliant", "compliance", "biased", "unbiased", "certified", "safe to use"):
        assert word not in read.words.lower()


def test_every_picture_says_what_it_shows(made):
    result, _, read = made
    for image in read.all("img"):
        assert len(image["alt"]) > 20
        assert int(image["width"]) > 0 < int(image["height"])
    one = result.findings.artefacts[0]
    alts = [image["alt"] for image in read.all("img") if one.id in image["alt"]]
    assert len(alts) == 5
    assert alts[0] == (
        f"Suspected reliance {one.id}, facet 0 of contribution:12, mostly answered \u201cspiculated\u201d: "
        "2 crops with the model's evidence outlined."
    )


def test_anchors_are_unique_and_every_finding_has_one(made):
    result, _, read = made
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one.id for one in result.findings.findings} | {
        one.id for one in result.findings.assessments
    } <= set(ids)


def test_every_table_has_headings_for_screen_readers(made):
    _, _, read = made
    assert all(heading["scope"] in ("col", "row") for heading in read.all("th"))
    regions = [attributes for _, attributes in read.tags if attributes.get("role") == "region"]
    assert len(regions) == len(read.all("table"))
    assert all(region["tabindex"] == "0" and region["aria-label"] for region in regions)


def test_every_class_has_a_rule(made):
    _, html, read = made
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    used = {one for _, attributes in read.tags for one in (attributes.get("class") or "").split()}
    hooks = {"for", "against", "card-text", "hashes"}
    assert used - set(re.findall(r"\.([a-z][\w-]*)", style)) <= hooks


def test_everything_that_was_found_is_said(made):
    result, _, read = made
    for one in result.findings.findings:
        for line in [*one.reasons, *one.counter_evidence]:
            assert line in read.words
    for line in result.findings.not_examined:
        assert line in read.words
    for row in result.findings.node_pipeline:
        assert row.feature in read.words
    for digest in (
        result.findings.fingerprint,
        result.findings.model.sha256,
        result.findings.config.sha256,
        result.findings.environment.sha256,
        *result.findings.library.shards.values(),
    ):
        assert digest in read.words
    assert "reliance_threshold 0.3" in read.words
    assert "Acquire training samples like these." in read.words
    assert "On their own they miss things" in read.words


def test_numbered_crops_are_traced_to_their_samples(made):
    result, _, read = made
    for ref in result.facets[0].refs:
        assert f"{ref.sample} {ref.source}, rows {ref.window[0]}\u2013{ref.window[2]}" in read.words


def test_words_are_explained_after_the_contents(made):
    html = made[1]
    terms = html[html.index('<aside class="terms"') : html.index("</aside>")]
    for word in ("Entry", "Unit", "Facet", "Activation", "p, q", "Lock", "Fingerprint, chain"):
        assert f"<dt>{word}</dt>" in terms
    assert html.index("</nav>") < html.index('<aside class="terms"') < html.index('id="artefacts"')


def test_a_long_worklist_is_cut_and_says_so(made):
    _, _, read = made
    assert "and 56 more in coverage.csv, column gap_group" in read.words


def test_equal_audits_give_equal_pages(make_result):
    assert render_page(make_result()) == render_page(make_result())


def test_the_page_is_small(made):
    _, html, _ = made
    assert len(html) < 1_000_000


def test_past_the_budget_the_page_shows_fewer_crops_and_still_says_everything(made, monkeypatch):
    result, html, _ = made
    sizes = []
    for budget in (len(html) - 1, len(html) // 2, 10):
        monkeypatch.setattr(page, "BUDGET", budget)
        smaller = render_page(result)
        sizes.append(len(smaller))
        assert all(line in Reader(smaller).words for line in result.findings.artefacts[0].reasons)
    assert len(html) > sizes[0] > sizes[1] > sizes[2]


def test_an_audit_without_findings_says_that_this_is_no_proof(made):
    result, _, _ = made
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    empty = Findings.of([], [], **(fields | {"not_examined": [], "node_pipeline": [], "timings": {}}))
    read = Reader(render_page(AuditResult(empty)))
    assert read.words.count("No artefact suspected, no training-set gap found") == 2  # title and headline
    assert "That is not proof that there is nothing" in read.words
    assert "No facet had enough entries to be examined." in read.words


def test_findings_without_pictures_are_still_reported(made):
    result, _, _ = made
    read = Reader(render_page(AuditResult(result.findings)))
    assert read.all("img") == []
    assert result.findings.artefacts[0].reasons[0] in read.words


def test_generated_crops_are_never_shown_without_the_nearest_real_one(made):
    result, _, _ = made
    alone = [FacetEvidence(**vars(one) | {"nearest": ()}) for one in result.facets]
    words = Reader(render_page(AuditResult(result.findings, alone))).words
    assert "Generated variants" not in words


def test_crops_without_maps_are_shown_plain(made):
    result, _, _ = made
    plain = [FacetEvidence(**vars(one) | {"maps": ()}) for one in result.facets]
    assert len(Reader(render_page(AuditResult(result.findings, plain))).all("img")) > 4


def test_facets_of_signals_and_volumes_have_no_place_in_a_plane(made):
    result, _, _ = made
    one = result.facets[0].assessment
    entries = [entry.model_copy(update={"window": (3, 40)}) for entry in one.entries]
    trace = one.model_copy(update={"entries": entries})
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    evidence = FacetEvidence(trace, result.facets[0].crops[:2], refs=trace.entries[:2])
    read = Reader(render_page(AuditResult(Findings.of([trace], [], **fields), [evidence])))
    assert "Where it lies" not in read.words
    assert "steps 3\u201340" in read.words


def with_findings(result, count, apart):
    """Make an audit of the same finding by several units, on the same samples or each on its own."""
    base, many = result.facets[0], []
    for i in range(count):
        entries = [
            one.model_copy(update={"sample": f"{one.sample} {i if apart else 0}"})
            for one in base.assessment.entries
        ]
        own = {"id": make_id("A", "m", f"fc1:{i}", i), "feature": f"fc1:{i}", "entries": entries}
        many.append(base.assessment.model_copy(update=own))
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    findings = Findings.of([*many, result.facets[1].assessment], result.findings.gaps, **fields)
    return AuditResult(findings, [FacetEvidence(**vars(base) | {"assessment": one}) for one in many])


def test_many_details_shrink_to_text_on_the_first_page(made):
    html = render_page(with_findings(made[0], 8, apart=True))
    verdict = html[: html.index('id="artefacts"')]
    assert "Reliance suspected on 8 details; 1 training-set gap" in verdict
    assert "<img" not in verdict


def test_what_many_units_found_is_one_detail(made):
    result = with_findings(made[0], 8, apart=False)
    html = render_page(result)
    first = html[html.index("<header") : html.index("</header>") + len("</header>")]
    section = html[html.index('<section id="artefacts"') : html.index('<section id="gaps"')]
    verdict, section = Reader(first).words, Reader(section).words
    assert first.count("<img") == 1
    assert verdict.count("An expert should look at the crops") == 1
    assert "One detail, top right corner, found by 8 units (8 suspected)." in verdict
    assert "It lies in rows 0\u201334, columns 62\u201396." in verdict
    assert "findings.json counts: 8 artefacts suspected, 1 training-set gap." in verdict
    for number, one in enumerate(result.findings.artefacts, 1):
        assert f"1.{number} suspected, {one.feature} / 0: reliance 0.87" in verdict
        assert f"1.{number} Suspected reliance {one.id}" in section
    assert section.count("What to do about 1.1 to 1.8") == 1
    assert section.count("As said under 1.1: it is the same detail.") == 7
    assert section.count("A random 120 of 435 are listed.") == 8


def test_other_facets_say_where_the_same_places_are_findings(made):
    result = made[0]
    mark = result.facets[0].assessment
    own = {"id": "A-0000ef01", "verdict": "undecidable", "classes": {"smooth": 1.0}}
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    findings = Findings.of([mark, mark.model_copy(update=own)], [], **fields)
    assert (
        "Shows the same places as 1.1, on 120 of the 120 samples that both list; here for the answer "
        "\u201csmooth\u201d." in Reader(render_page(AuditResult(findings))).words
    )


def test_colour_and_transparent_crops(made):
    result, _, _ = made
    rng = np.random.default_rng(0)
    for channels in (3, 4):
        crops = [rng.integers(0, 256, (20, 28, channels), np.uint8) for _ in range(3)]
        colour = FacetEvidence(**vars(result.facets[0]) | {"crops": crops})
        assert Reader(render_page(AuditResult(result.findings, [colour]))).all("img")


def test_a_gap_without_nearest_crops_shows_production_alone(made):
    result, _, _ = made
    alone = [GapEvidence(one.finding, one.crops) for one in result.gaps]
    read = Reader(render_page(AuditResult(result.findings, (), alone)))
    assert [image["alt"] for image in read.all("img")][-1].endswith("8 crops from production.")


def test_characters_that_turn_the_text_round_are_written_out(made):
    result, _, _ = made
    odd = FacetEvidence(**vars(result.facets[0]) | {"generator_dir": "a\u202eb\x07c\udcffd\u2066e\x9f"})
    html = render_page(AuditResult(result.findings, [odd]))
    assert r"a\u202eb\u0007c\udcffd\u2066e\u009f" in html
    html.encode()


def test_ordinary_text_of_all_languages_stays_as_it_is():
    text = "Knötchen 結節 عقدة nodule\nline"
    assert page.visible(text) == text
    assert page.visible(3) == 3


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_contrast_in_light_dark_and_print(made):
    """WCAG 2.2 AA asks 4.5 to 1 of text; lines are no text."""
    _, html, _ = made
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    ]
    assert len(themes) == 3
    for theme in themes:
        colours = {
            name: value if len(value) == 7 else "#" + "".join(c * 2 for c in value[1:])
            for name, value in theme.items()
        }
        for name in set(colours) - {"ground", "panel", "line"}:
            for ground in ("ground", "panel"):
                light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground, colours)


def test_other_styles_and_scripts_have_other_policies():
    policies = {content_security_policy(*parts) for parts in (("a",), ("b",), ("a", "c"), ("a", "d"))}
    assert len(policies) == 4


def with_property(result, facet, rim, component="rim"):
    """Add a property of whole pictures, suspected, to an audit."""
    own = {name: value for name, value in rim.items() if not name.startswith("carried")}
    one = facet(
        own | {f"carried_over:{component}": 1.0},
        id="A-0000abcd",
        entries=[entry.model_copy(update={"window": (0, 0, 32, 32)}) for entry in result.facets[0].refs],
    )
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    crops, flat = result.facets[1].crops, [np.ones((1, 1), np.float32)] * 12
    return AuditResult(
        Findings.of([one], [], **fields), [FacetEvidence(one, crops=crops, maps=flat, refs=one.entries)]
    )


def test_a_property_is_shown_as_whole_pictures_and_as_what_is_carried_over(made, facet, rim):
    read = Reader(render_page(with_property(made[0], facet, rim)))
    alts = [image["alt"].partition(": ")[2] for image in read.all("img")]
    assert alts == [
        "2 whole pictures with this property.",
        "12 whole pictures as recorded.",
        "what the experiment carries over, of the same pictures.",
    ]
    assert "They have little brightness along the rim, compared with the other pictures." in read.words
    assert "What the experiment carries over: rim. Shown is the rim of each picture alone." in read.words
    for word in ("Where it lies", "What the model uses. ", "rows 0", "Painting"):
        assert word not in read.words


def test_a_property_whose_component_is_not_known_is_shown_as_recorded(made, facet, rim):
    read = Reader(render_page(with_property(made[0], facet, rim, "new")))
    assert len(read.all("img")) == 2


def test_few_signs_are_shown_and_all_are_in_a_closed_table(make_result):
    result = make_result()
    one = result.facets[0].assessment
    signals = {
        term.signal: Signal(value=term.centre + side * term.scale)
        for term, side in zip(FUSION.terms, cycle((2, -2)), strict=False)
    } | {"control_plain": Signal(value=0.0)}
    one = one.model_copy(update={"signals": signals})
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    html = render_page(AuditResult(Findings.of([one], [], **fields)))
    shown, table = html[: html.index("<details>")], html[html.index("<details>") : html.index("</details>")]
    assert shown.count('<span class="says">') == 10  # five on either side
    assert f"<summary>All {len(signals)} measurements, and the reasons as recorded</summary>" in table
    assert table.count("<tr>") == len(signals) + 1
    assert shown.index("It keeps to the same place in the picture.") < shown.index("<h5>Against</h5>")
    assert "share of the effect that a piece of a picture without the detail has too" in table


def test_signs_of_another_version_are_listed_and_argue_for_nothing(make_result):
    result = make_result()
    one = result.facets[0].assessment.model_copy(update={"signals": {"gone_sign": Signal(value=0.3)}})
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    words = Reader(render_page(AuditResult(Findings.of([one], [], **fields)))).words
    assert "No sign argues for it." in words
    assert "Gone sign 0.3 \u2013 \u2013" in words


def test_a_gap_says_how_many_samples_close_it(make_result):
    result = make_result()
    order = Order(result.findings.gaps[0], 204, 1)
    assert "Needed" not in Reader(render_page(result)).words
    words = Reader(render_page(replace(result, worklist=[order]))).words
    assert "Needed about 204 more samples ; training holds 1 sample of the kind" in words


def test_the_audit_says_how_often_it_errs(made):
    _, _, read = made
    rates = measured_rates()
    for rate in rates.rates.values():
        assert f"{rate.found} of {rate.total} {wording.percent(rate.share)}" in read.words
    for name, value in rates.provenance:
        assert f"{name}: {value}" in read.words
    missed = rates.rates["artefacts"].total - rates.rates["artefacts"].found
    assert f"{missed} of {rates.rates['artefacts'].total} planted marks were missed" in read.words
    assert f"counted over all models {rates.false_groups} in {rates.models} models" in read.words


def test_the_report_says_where_its_evidence_is_asked_for_and_leaves_room_to_sign(made):
    result, _, read = made
    for row in MAPPING:
        assert " ".join(row) in read.words
    sign = read.words[read.words.index("Decision on each finding") :]
    for one in result.findings.findings:
        assert one.id in sign
    assert "Reviewer, not the author" in sign
    assert result.findings.fingerprint in read.words


def test_a_confirmed_artefact_is_called_confirmed(made):
    result, _, _ = made
    one = result.facets[0].assessment.model_copy(update={"verdict": "confirmed"})
    fields = result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    findings = Findings.of([one], [], **fields)
    assert isinstance(findings.findings[0], ArtefactFinding)
    assert "Confirmed reliance" in Reader(render_page(AuditResult(findings))).words
