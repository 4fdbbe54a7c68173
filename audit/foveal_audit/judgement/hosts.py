"""Which samples a facet is held against: those it is pasted into, and those that a hole is filled from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal_audit.judgement.asking import Bench
from foveal_audit.judgement.places import Placed, in_rounds, overlap, same_place

Hosts = NDArray[np.int64]
#: Per sample the windows that were found in it.
Found = Mapping[int, Sequence[Window]]

#: Hosts that are compared for each window at most: about as many as a test takes, or those that were passed
#: over would soon be all that it chooses from.
_COMPARED = 64


def any_hosts(
    _bench: Bench, placed: Sequence[Placed], hosts: Hosts, _found: Found, rng: np.random.Generator
) -> Hosts:
    """Choose a host for each window, every one once before any comes again."""
    return hosts[in_rounds(hosts, len(placed), rng)]


def free_hosts(
    bench: Bench, placed: Sequence[Placed], hosts: Hosts, found: Found, rng: np.random.Generator
) -> Hosts:
    """Choose for each window a host in which little was found at its place.

    One and the same thing often makes several facets, and a host that lacks the one may show it as another:
    filled from there, the hole holds what was taken out; pasted over it, its opposite seems to act.

    Returns
    -------
    int64 (n,): in random order, each used once before any comes again, the next that is free there; where
    none of the next 64 is, that whose windows share least with the place.
    """
    chosen: list[int] = []
    waiting: list[int] = []
    for one in placed:
        waiting = waiting or rng.permutation(hosts).tolist()
        chosen.append(_freest(bench, one, waiting, found))
    return np.array(chosen, dtype=np.int64)


def _freest(bench: Bench, placed: Placed, waiting: list[int], found: Found) -> int:
    shape, best, least = bench.pixels(placed.sample).shape, 0, None
    for place, host in enumerate(waiting[:_COMPARED]):
        there = same_place(placed.window, shape, bench.pixels(host))
        shared = sum(overlap(there, window) for window in found.get(host, ()))
        if least is None or shared < least:
            best, least = place, shared
        if not shared:
            break
    return waiting.pop(best)


#: By the number of axes. A window of a trace takes a tenth of it and covers easily what lies at a place; of a
#: picture it takes little.
HOSTS: Mapping[int, Callable[[Bench, Sequence[Placed], Hosts, Found, np.random.Generator], Hosts]] = {
    1: free_hosts,
    2: any_hosts,
    3: any_hosts,
}


def hosts_for(
    bench: Bench,
    placed: Sequence[Placed],
    hosts: Sequence[int],
    found: Found,
    rng: np.random.Generator,
) -> Hosts:
    """Choose a host for each window of a facet.

    Parameters
    ----------
    bench
        Reads samples.
    placed
        The windows, one or more.
    hosts
        Numbers of the samples to choose from.
    found
        What was found in samples; those of which nothing is known count as free.
    rng
        Source of chance.

    Returns
    -------
    int64 (n,), see :data:`HOSTS`.
    """
    axes = len(placed[0].window) // 2
    return HOSTS[axes](bench, placed, np.asarray(hosts, dtype=np.int64), found, rng)
