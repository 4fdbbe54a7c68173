"""A look at a network in training that leaves no trace: modes and random numbers go on as if nothing was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode for a while; give back every module's own mode and all random states.

    The flags are set one by one, because a model's own ``train`` may do more than that.
    """
    modes = [(module, module.training) for module in model.modules()]
    own, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - the user's global one is meant
    with torch.random.fork_rng(enabled=True):
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, training in modes:
                module.training = training
            random.setstate(own)
            np.random.set_state(numpys)  # noqa: NPY002
