"""Work of which the next piece is done while the last one is on its way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_Made = TypeVar("_Made")


def ahead(make: Callable[[_T], _Made], items: Iterable[_T]) -> Generator[_Made, None, None]:
    """Make something of every item, in their order, the next one while the caller is busy with the last.

    No more than one is made ahead. What `make` raises is raised where its item's turn comes. Who stops half
    way closes the generator: it waits for what is in the making.

    Parameters
    ----------
    make
        Called in a thread of its own, once per item.
    items
        Taken one ahead of the caller as well.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="foveal-ahead")
    waiting: Future[_Made] | None = None
    try:
        for item in items:
            upcoming = pool.submit(make, item)
            if waiting is not None:
                yield waiting.result()
            waiting = upcoming
        if waiting is not None:
            yield waiting.result()
    finally:
        pool.shutdown(cancel_futures=True)
