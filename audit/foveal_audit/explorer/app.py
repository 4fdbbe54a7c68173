"""The application: routes, walls and our own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse

from foveal.errors import EnvironmentFault, FovealError
from foveal_audit import elements
from foveal_audit.explorer import frames, pages, saying, showing, sounding, working
from foveal_audit.explorer.browsing import Browser
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.guard import Guard
from foveal_audit.explorer.templates import render, style
from foveal_audit.nouns import PICTURE, axes_in

_STATIC = Path(__file__).parent / "static"
_TYPES: Mapping[str, str] = MappingProxyType({".js": "text/javascript", ".css": "text/css"})
_WRONG, _UNFIT, _AWAY = 400, 422, 502


def make_app(exhibits: Exhibits, guard: Guard, model: str | None = None) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    exhibits
        What is shown.
    guard
        Who may see it.
    model
        The audited model, for its activation on generated frames.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    generators, browser = frames.Generators(exhibits, model), Browser()
    for router in (
        pages.router(exhibits, generators, browser),
        showing.router(exhibits, browser),
        saying.router(exhibits),
        working.router(exhibits),
        frames.router(generators),
        sounding.router(exhibits),
    ):
        app.include_router(router)
    _files(app, axes_in(exhibits.findings) if exhibits.findings else PICTURE)
    _faults(app, exhibits)
    guard.protect(app)
    app.state.browser = browser
    return app


def _files(app: FastAPI, axes: int) -> None:
    """Serve our own files and no others; they speak of samples with so many axes."""
    own = {path.name: path.read_text("utf-8") for path in _STATIC.iterdir() if path.suffix in _TYPES}
    elements_ = {f"{name}.js": elements.script(name, axes) for name in elements.NAMES}
    texts = own | elements_ | {"explorer.css": style()}

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in texts:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {"Cache-Control": "private, max-age=600"}
        return Response(texts[name], media_type=_TYPES[Path(name).suffix], headers=headers)

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)


def _faults(app: FastAPI, exhibits: Exhibits) -> None:
    """Say what is wrong: as a page where a page was asked for, else as JSON."""

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, error: RequestValidationError) -> Response:
        # What was sent is not sent back, as FastAPI would: JSON has no word for some of what it reads.
        told = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
        return JSONResponse({"detail": told}, _UNFIT)

    @app.exception_handler(FovealError)
    async def wrong(request: Request, error: FovealError) -> Response:
        status = _AWAY if isinstance(error, EnvironmentFault) else _WRONG
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"fault": error.fault, "mend": error.mend}, status)
        context = {"here": "", "name": exhibits.name, "findings": None, "audit_url": "", "library_url": ""}
        return HTMLResponse(render("wrong.html.j2", error=error, **context), status)
