"""Giving memory back to the machine: what was freed after a start stays with the process otherwise."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_GLIBC = "libc.so.6"
#: glibc maps blocks on their own from 128 KiB at the earliest; smaller ones come from the thread's heap.
_BLOCK = 120 * 2**10
#: How far a thread's heap reaches (glibc's HEAP_MAX_SIZE).
_HEAP = 64 * 2**20


def trim() -> None:
    """Hand freed memory back to the system, where its C library can (glibc); elsewhere nothing happens.

    Choosing layers takes passes that are never needed again: on a ResNet-18 27 MB. ``malloc_trim`` by itself
    leaves the top of a thread's heap resident, and that is where most of them lie (its ``mtrim`` knows the
    main heap's top alone). So the calling thread lays blocks over its top, writes nothing to them, and frees
    all but the last: what was the top is an ordinary hole then.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        trim_holes = ctypes.CDLL(_GLIBC).malloc_trim
        heap = _heap()
        *blocks, last = [heap.malloc(_BLOCK) for _ in range(_HEAP // _BLOCK)]
        for block in blocks:
            heap.free(block)
        trim_holes(ctypes.c_size_t(0))
        heap.free(last)


def _heap() -> ctypes.PyDLL:
    """Open the C library so that calls keep the interpreter's lock: a thousand hand-overs would take long."""
    heap = ctypes.PyDLL(_GLIBC)
    heap.malloc.argtypes, heap.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    heap.free.argtypes, heap.free.restype = [ctypes.c_void_p], None
    return heap
