"""A small server for the elements, as an explorer serves them: files, exact frames, pages of entries."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from foveal.errors import UsageError
from foveal_audit import elements
from foveal_audit.lattice import answering

TOTAL = 100_000
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"


def _page(body, name):
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Live</title>'
        f'<script defer src="/elements/{name}.js"></script></head>'
        f"<body><main><h1>Live</h1>{body}</main></body></html>"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})


def _answered(give):
    def endpoint(request):
        try:
            answer = give(request)
        except UsageError as fault:
            return JSONResponse({"fault": str(fault)}, status_code=400)
        return Response(answer.body, media_type=answer.media_type, headers=dict(answer.headers))

    return endpoint


def _entries(request):
    offset, limit = (int(request.query_params[name]) for name in ("offset", "limit"))
    rows = range(offset, min(TOTAL, offset + limit))
    return JSONResponse(
        {"total": TOTAL, "entries": [{"id": str(row), "label": f"entry {row}"} for row in rows]}
    )


def _sprite(request):
    side, offset = int(request.query_params["side"]), int(request.query_params["offset"])
    # Every page has its own grey, so that a tile of another one would be seen.
    sheet = np.full((8 * side, 16 * side), 40 + offset // 128 % 200, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png")


def app(frames, told):
    """Make the application: /, /grid and what they ask for."""
    block = json.dumps(told).replace("<", "\\u003c")
    sliders = (
        f'<foveal-sliders><script type="application/json" class="lattice">{block}</script></foveal-sliders>'
    )
    routes = [
        Route("/", lambda _: _page(sliders, "sliders")),
        Route(
            "/grid",
            lambda _: _page('<foveal-grid src="/entries?site=a" label="Library"></foveal-grid>', "grid"),
        ),
        Route(
            "/elements/{name}.js",
            lambda request: Response(
                elements.script(request.path_params["name"]), media_type="text/javascript"
            ),
        ),
        Route(
            "/frames/toy", _answered(lambda r: answering.frame_answer(frames, r.query_params, "/frames/toy"))
        ),
        Route("/frames/toy/walk", _answered(lambda r: answering.walk_answer(frames, r.query_params))),
        Route("/frames/toy/walk.mp4", _answered(lambda r: answering.movie_answer(frames, r.query_params))),
        Route(
            "/frames/toy/crops/{row:int}",
            _answered(lambda r: answering.crop_answer(frames, r.path_params["row"])),
        ),
        Route("/favicon.ico", lambda _: Response(status_code=204)),
        Route("/entries", _entries),
        Route("/entries/sprite", _sprite),
    ]
    return Starlette(routes=routes)


@contextmanager
def running(application):
    """Serve on a free port of this machine in a thread; stops when the block ends."""
    # The protocol must be named: without it the event loop leaves TCP_NODELAY off, and answers wait 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()
