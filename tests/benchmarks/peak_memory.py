"""The peak of the memory that a call takes, in bytes of tensors and of the operators' scratch.

Every allocation of torch on the CPU goes through one allocator, which tells the profiler of each block taken
and given back. The highest running sum is the peak over what lay there before (weights, input): exact, and
the same on a busy machine, which the resident size of a process is not.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from torch.profiler import ProfilerActivity, profile


def peak_bytes(call: Callable[[], object]) -> int:
    """Give the peak of one call; run it once before, so that what it keeps for ever is not counted."""
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events), default=0)
