"""Routes that give pictures, windows of lists and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from foveal.errors import UsageError
from foveal_audit.explorer import deciding, features, worklists
from foveal_audit.explorer.browsing import Browser, wanted_of
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.tiles import Range, png

_MOST_SIMILAR = 60
_SVG, _PNG = "image/svg+xml", "image/png"


def router(exhibits: Exhibits, browser: Browser) -> APIRouter:
    """Make the routes."""
    routes = APIRouter()

    @routes.get("/api/entries")
    def entries(request: Request, start: int = 0, count: int = 60, span: str = "") -> JSONResponse:
        given = [(name, value) for name, value in request.query_params.multi_items() if name not in _OWN]
        with exhibits.reading() as library:
            browser.follow(library, exhibits.lock)
            # Made into JSON at once: FastAPI would look at every value first, for as long as drawing takes.
            return JSONResponse(browser.window(library, wanted_of(given), start, count, _span(span)))

    @routes.get("/api/chosen")
    def chosen(ids: str) -> dict[str, Any]:
        with exhibits.reading() as library:
            return {"entries": browser.entries(library, ids.split(",")[:_MOST_SIMILAR])}

    @routes.get("/api/similar")
    def similar(id: str, k: int = 12, feature: str = "") -> dict[str, Any]:  # noqa: A002 - a parameter's name
        with exhibits.reading() as library:
            found = library.nearest(id, min(max(1, k), _MOST_SIMILAR), feature or None)
            told = browser.entries(library, [one.id for one in found])
        distances = {one.id: round(one.distance, 4) for one in found}
        return {"entries": [{**one, "distance": distances[one["id"]]} for one in told]}

    @routes.get("/decision")
    def decision(request: str, row: int = 0, feature: str = "") -> Response:
        with exhibits.reading() as library:
            found = deciding.decisions(library, request)
        image = deciding.frame(found[row], [feature] if feature else []) if 0 <= row < len(found) else None
        if image is None:
            raise UsageError(f"There is no picture of {request[:60]!r}", "Ask for a sample of the library")
        return Response(png(image), media_type=_PNG)

    _drawn(routes, exhibits, browser)
    _tables(routes, exhibits)
    return routes


def _drawn(routes: APIRouter, exhibits: Exhibits, browser: Browser) -> None:
    @routes.get("/strip")
    def strip(feature: str) -> Response:
        with exhibits.reading() as library:
            return Response(png(features.strongest(browser, library, feature)), media_type=_PNG)

    @routes.get("/strip/chosen")
    def chosen_strip(ids: str) -> Response:
        with exhibits.reading() as library:
            return Response(png(features.chosen(browser, library, ids.split(","))), media_type=_PNG)

    @routes.get("/histogram")
    def histogram(feature: str) -> Response:
        with exhibits.reading() as library:
            return Response(features.histogram(browser, library, feature), media_type=_SVG)


def _tables(routes: APIRouter, exhibits: Exhibits) -> None:
    @routes.get("/unwanted.csv")
    def unwanted() -> Response:
        with exhibits.reading() as library:
            table = worklists.unwanted_csv(library, exhibits.findings, exhibits.said(), exhibits.training)
            return _csv(lambda: table, "unwanted")

    @routes.get("/acquisition.csv")
    def acquisition() -> Response:
        return _csv(lambda: worklists.acquisition_csv(exhibits.findings, exhibits.said()), "acquisition")


_OWN = frozenset({"start", "count", "span"})


def _csv(make: Callable[[], str], name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(make().encode("utf-8", "backslashreplace"), media_type="text/csv", headers=headers)


def _span(text: str) -> Range | None:
    """Read a window of values, ``0.1,0.6``."""
    if not text:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 1:
        raise UsageError(f"{text[:40]!r} is no window of values", "Give two shares, the lower first: 0.1,0.6")
    return low, high
