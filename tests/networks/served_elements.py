"""A small server for the sliders, as an explorer serves them: files and exact frames."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from foveal.errors import UsageError
from foveal_audit import elements
from foveal_audit.lattice import answering

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"


def _page(body):
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Live</title>'
        f'<script defer src="/elements/sliders.js"></script></head>'
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


def app(frames, told):
    """Make the application: one page and what it asks for."""
    block = json.dumps(told).replace("<", "\\u003c")
    sliders = (
        f'<foveal-sliders><script type="application/json" class="lattice">{block}</script></foveal-sliders>'
    )
    routes = [
        Route("/", lambda _: _page(sliders)),
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
    ]
    return Starlette(routes=routes)


@contextmanager
def running(application):
    """Serve on a free port of this machine in a thread; stops when the block ends."""
    # The protocol must be named: without it the event loop leaves TCP_NODELAY off, and answers wait 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()
