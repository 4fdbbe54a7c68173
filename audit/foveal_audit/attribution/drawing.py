"""Captum draws from the global generators of torch and numpy: seeded for it, and given back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import numpy as np
import torch

#: The generators are the process's: one thread at a time seeds them.
_TURN = RLock()


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let what is inside draw from the seed; afterwards the global generators are where they were.

    Parameters
    ----------
    seed
        Of both generators.
    device
        Where tensors are drawn; its generator is kept too.
    """
    with _TURN, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        state = np.random.get_state()  # noqa: NPY002 - captum uses the old interface
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
