"""Routes that give pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from foveal.errors import UsageError, nearest
from foveal_audit.audits import Audit, same, subjects
from foveal_audit.bundle.changes import titled
from foveal_audit.bundle.schema import Assessment, Effect, Findings, GapFinding
from foveal_audit.explorer import deciding, sounding
from foveal_audit.explorer.browsing import ORDERS, Browser
from foveal_audit.explorer.comparing import lines
from foveal_audit.explorer.drifting import course
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.features import feature_rows
from foveal_audit.explorer.frames import Generators
from foveal_audit.explorer.measuring import measures
from foveal_audit.explorer.templates import render
from foveal_audit.explorer.triage import queue
from foveal_audit.report import wording
from foveal_audit.report.arguing import case_of, start
from foveal_audit.report.bars import axis_of, bar
from foveal_audit.report.reasoning import Rule
from foveal_audit.report.reasoning import why as reasons

PER_PAGE = 50
_SIDES = 12


class _Page(Protocol):
    """Fills a page in; ``here`` is its place in the menu."""

    def __call__(self, name: str, here: str, **context: object) -> HTMLResponse: ...


def router(exhibits: Exhibits, generators: Generators, browser: Browser) -> APIRouter:
    """Make the routes."""
    routes = APIRouter(default_response_class=HTMLResponse)

    def page(name: str, here: str, **context: object) -> HTMLResponse:
        audit = exhibits.audit
        library = exhibits.library
        shell = {
            "here": here,
            "name": exhibits.name,
            "findings": exhibits.findings,
            "fingerprint": audit.fingerprint if audit else "",
            "audit_url": audit and (audit.url or same(audit, exhibits.others)),
            "library_url": "" if library is None else library.url,
        }
        return HTMLResponse(render(name, **shell, **context))

    _looking(routes, exhibits, generators, browser, page)
    _judging(routes, exhibits, generators, page)
    _comparing(routes, exhibits, page)
    return routes


def _looking(
    routes: APIRouter, exhibits: Exhibits, generators: Generators, browser: Browser, page: _Page
) -> None:
    @routes.get("/")
    def features(at: int = 0, find: str = "") -> HTMLResponse:
        sizes = None
        if exhibits.library is not None:
            with exhibits.reading() as library:
                sizes = library.features()
        rows = [one for one in feature_rows(sizes, exhibits.findings, exhibits.said()) if find in one.name]
        return page("features.html.j2", "features", rows=rows[at : at + PER_PAGE], total=len(rows), at=at,
                    find=find, per_page=PER_PAGE)  # fmt: skip

    @routes.get("/entries")
    def entries(feature: str = "") -> HTMLResponse:
        facets = (
            [one for one in subjects(exhibits.findings) if isinstance(one, Assessment)]
            if exhibits.findings
            else []
        )
        with exhibits.reading() as library:
            options = browser.options(library, feature)
        generators.soon(feature)
        return page(
            "entries.html.j2", "entries", feature=feature, options=options, orders=list(ORDERS),
            facets=[one for one in facets if feature and one.feature == feature],
            said=exhibits.said().get(feature), sliders=generators.json(feature) if feature else None,
        )  # fmt: skip

    @routes.get("/why")
    def why(request: str = "") -> HTMLResponse:
        found: Sequence[deciding.Decision] = []
        if request:
            with exhibits.reading() as library:
                found = deciding.decisions(library, request)
        labels = exhibits.findings.model.labels if exhibits.findings else []
        said = exhibits.said() if found else {}
        shown = [
            (one, deciding.responses(one, exhibits.findings, said), sounding.is_heard(one)) for one in found
        ]
        return page("why.html.j2", "why", request=request, found=shown, labels=labels)


def _judging(routes: APIRouter, exhibits: Exhibits, generators: Generators, page: _Page) -> None:
    @routes.get("/finding/{id_}")
    def finding(id_: str) -> HTMLResponse:
        return page("finding.html.j2", "triage", **_case(exhibits, generators, id_))

    @routes.get("/finding/{id_}/panel")
    def panel(id_: str) -> HTMLResponse:
        return HTMLResponse(render("panel.html.j2", **_case(exhibits, generators, id_)))

    @routes.get("/triage")
    def triage() -> HTMLResponse:
        before = exhibits.others[0].findings if exhibits.others and not _same(exhibits) else None
        cases = queue(exhibits.findings, exhibits.said(), before) if exhibits.findings else []
        readers = sorted({who for case in cases if case.said for who in case.said.readers})
        return page("triage.html.j2", "triage", cases=cases, readers=readers)

    @routes.get("/log")
    def log() -> HTMLResponse:
        events = exhibits.annotations.events() if exhibits.library is not None else []
        known = {event.id: event for event in events}
        told = exhibits.said()
        names = {one.id: titled(one) for one in subjects(exhibits.findings)} if exhibits.findings else {}
        return page("log.html.j2", "log", events=events[::-1], known=known, names=names,
                    split=[one for one in told.values() if one.disagreement],
                    awaited=[one for one in told.values() if one.awaited])  # fmt: skip


def _comparing(routes: APIRouter, exhibits: Exhibits, page: _Page) -> None:
    @routes.get("/compare")
    def compare(a: str = "", b: str = "") -> HTMLResponse:
        audits = exhibits.audits
        now, before = _chosen(audits, a, 0), _chosen(audits, b, 1)
        rows = lines(now.findings, before.findings, exhibits.said()) if now and before else []
        own = bool(now and exhibits.audit and now.fingerprint == exhibits.audit.fingerprint)
        return page("compare.html.j2", "compare", audits=audits, now=now, before=before, rows=rows, own=own)

    @routes.get("/course/{id_}")
    def over_time(id_: str) -> HTMLResponse:
        one, shown = exhibits.finding(id_), exhibits.audit
        if one is None or shown is None:
            raise _no_finding(exhibits, id_)
        stops = course(one, shown, exhibits.others)
        return page("course.html.j2", "compare", one=one, title=titled(one), stops=stops)

    @routes.get("/run/{run_id}")
    def run(run_id: str) -> RedirectResponse:
        """Lead from a run's id in MLflow to the comparison that shows it."""
        return RedirectResponse(f"/compare?a={_chosen(exhibits.audits, run_id, 0, strict=True).key}", 303)


def _same(exhibits: Exhibits) -> bool:
    """Say whether the first other audit is the one that is shown, logged in MLflow."""
    audit = exhibits.audit
    return audit is not None and exhibits.others[0].fingerprint == audit.fingerprint


def _chosen(audits: Sequence[Audit], key: str, default: int, strict: bool = False) -> Any:  # noqa: ANN401 - Audit | None
    if not key and not strict:
        return audits[default] if len(audits) > default else None
    found = [one for one in audits if one.key == key]
    if not found:
        raise UsageError(f"There is no audit {key[:60]!r}", nearest(key, [one.key for one in audits]))
    return found[0]


def _case(exhibits: Exhibits, generators: Generators, id_: str) -> dict[str, Any]:
    """Gather what the page of a facet or gap shows."""
    one = exhibits.finding(id_)
    if one is None or exhibits.findings is None:
        raise _no_finding(exhibits, id_)
    shown = {
        "one": one,
        "title": titled(one),
        "is_gap": isinstance(one, GapFinding),
        "said": exhibits.said().get(id_),
        "ids": _shown(exhibits, one),
        "audits": len(exhibits.audits),
        "measures": measures(exhibits, one),
        "sliders": None,
    }
    if isinstance(one, GapFinding):
        return shown
    return shown | {"sliders": generators.json(one.feature)} | _argued(one, exhibits.findings)


def _argued(one: Assessment, findings: Findings) -> dict[str, Any]:
    """Say why a facet got its verdict, by the rule that the audit recorded; see the report."""
    rule = Rule.of(findings.config.model_dump())
    return {
        "effects": _effects(one),
        "why": reasons(one, rule),
        "view": {"case": case_of(one, rule.fusion)},
        "page": {"start": start(rule.fusion)},
    }


def _no_finding(exhibits: Exhibits, id_: str) -> UsageError:
    known = [each.id for each in subjects(exhibits.findings)] if exhibits.findings else []
    return UsageError(f"There is no finding {id_[:40]!r}", nearest(id_, known))


def _shown(exhibits: Exhibits, one: Assessment | GapFinding) -> list[str]:
    """Name the entries to show: the strongest of a facet, and of a gap those of its samples."""
    if isinstance(one, Assessment):
        ranked = sorted(one.entries, key=lambda ref: -ref.activation)
        return [ref.id for ref in ranked if ref.id][:_SIDES]
    if exhibits.library is None:
        return []
    with exhibits.reading() as library:
        found = [library.query(sample=name, feature=one.feature).ids()[:1] for name in one.samples[:_SIDES]]
    return [id_ for ids in found for id_ in ids]


def _effects(one: Assessment) -> list[dict[str, Any]]:
    tests = one.effects
    together: dict[str, list[Effect | None]] = {
        "removal": [tests.removal, tests.paste],
        "paste": [tests.removal, tests.paste],
        "mediation": [tests.mediation],
    }
    rows: list[dict[str, Any]] = []
    terms = wording.effect_terms(one)
    for name, axis in together.items():
        effect = getattr(tests, name)
        if effect is not None:
            place = bar(effect, axis_of([each for each in axis if each is not None]))
            rows.append({"name": terms[name], "effect": effect, "bar": place})
    return rows
