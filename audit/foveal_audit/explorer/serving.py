"""Running the explorer on the loopback address until somebody stops it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn

from foveal.errors import EnvironmentFault, FovealError
from foveal.library.connection import Connection, kept_patient
from foveal.servers.ports import LOOPBACK
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.browsing import Browser
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.guard import TOKEN, Guard
from foveal_audit.reproducible import one_thread

#: Tag of the library's run while an explorer of it runs: where it is, without the token.
EXPLORER_TAG = "foveal.explorer"
#: Seconds that open connections are given when it is stopped; a page that is shown would hold it for ever.
_PATIENCE = 5


def serve(exhibits: Exhibits, port: int, ready: Callable[[str], None], model: str | None = None) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    port
        Port on the loopback address; 0 for any free one.
    ready
        Told the address, with the token, once it is answered.
    model
        As in :func:`.app.make_app`.

    Raises
    ------
    EnvironmentFault
        The port is taken.
    """
    guard = Guard()
    with _listening(port) as listener:
        app = make_app(exhibits, guard, model)
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_PATIENCE,
        )
        server = uvicorn.Server(config)
        warm(exhibits, app.state.browser)
        # Frames are the same bits, whoever else asks for one; no thread changes the environment.
        with announced(exhibits, address), one_thread(), kept_patient():
            threading.Thread(target=_tell, args=(server, ready, f"{address}/?{TOKEN}={guard.token}")).start()
            server.run(sockets=[listener])


def warm(exhibits: Exhibits, browser: Browser) -> None:
    """Do what takes seconds the first time before anybody waits for it: the catalog, and the crops."""
    if exhibits.library is not None:
        with exhibits.reading() as library:
            browser.warm(library, exhibits.lock)
        exhibits.said()


@contextmanager
def announced(exhibits: Exhibits, address: str) -> Iterator[None]:
    """Say on the library's run in MLflow where its explorer is, as long as it is there."""
    if exhibits.library is None:
        yield
        return
    run_id, uri = exhibits.library.run_id, exhibits.library.tracking_uri
    with suppress(FovealError), Connection(uri).asking() as client:
        client.set_tag(run_id, EXPLORER_TAG, address)
    try:
        yield
    finally:
        with suppress(FovealError), Connection(uri).asking() as client:
            client.delete_tag(run_id, EXPLORER_TAG)


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise EnvironmentFault(
                f"Port {port} cannot be used",
                "Choose another one with --port, or leave it out for a free one",
            ) from error
        yield listener


def _tell(server: uvicorn.Server, ready: Callable[[str], None], address: str) -> None:
    """Say where it is once it answers."""
    waiting = threading.Event()
    while not server.started and not server.should_exit:
        waiting.wait(0.05)
    if server.started:
        ready(address)
