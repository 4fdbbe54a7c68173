"""Memory that a thread freed goes back to the system, its heap's top included."""

from __future__ import annotations

import platform
import subprocess
import sys
from textwrap import dedent

import pytest

import foveal.memory
from foveal.memory import trim

#: A thread takes 40 MB in small blocks, frees them, and trims in one of several ways.
FREEING = """
import ctypes, sys, threading
from foveal.memory import trim

libc = ctypes.PyDLL("libc.so.6")
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
ways = {"none": lambda: None, "plain": lambda: libc.malloc_trim(ctypes.c_size_t(0)), "ours": trim}


def resident():
    with open("/proc/self/statm") as lines:
        return int(lines.read().split()[1]) * 4096


def work():
    blocks = [None] * 400  # here, for a list that grew would lie above the blocks
    before = resident()
    for index in range(400):
        blocks[index] = libc.malloc(100_000)
        ctypes.memset(blocks[index], 1, 100_000)
    for block in blocks:
        libc.free(block)
    ways[sys.argv[1]]()
    print(resident() - before)


trim()  # what the first call itself takes does not count
libc.free(libc.malloc(31 * 2**20))  # a large block that was freed lets heaps keep their tops, as in a worker
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def left(way):
    """Give the share of the blocks that is still resident."""
    run = subprocess.run(
        [sys.executable, "-c", dedent(FREEING), way], capture_output=True, text=True, check=True
    )
    return int(run.stdout) / 40e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere the C library sees to it")
@pytest.mark.parametrize(("way", "low", "high"), [("none", 0.9, 1.1), ("plain", 0.9, 1.1), ("ours", 0, 0.1)])
def test_what_a_thread_freed_goes_back(way, low, high):
    """The naive twin, malloc_trim alone, gives nothing back here: that is why ours does more."""
    assert low <= left(way) <= high


@pytest.mark.parametrize("library", ["libm.so.6", "no-such-library.so"])
def test_other_systems_are_left_alone(monkeypatch, library):
    """Where there is no such library, or it cannot trim, nothing happens."""
    monkeypatch.setattr(foveal.memory, "_GLIBC", library)
    trim()
