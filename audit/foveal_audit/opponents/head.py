"""What the network knows of a sample just before it decides: the input of its last Linear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from foveal.capture import Forward

#: From a forward to float32 (B, D).
Features = Callable[[Forward], Tensor]


@contextmanager
def before_head(module: nn.Module, example: Tensor) -> Iterator[Features]:
    """Lend what goes into the last Linear of a forward.

    Where the network has no Linear, the channels of the map's layer, averaged over space.

    Parameters
    ----------
    module, example
        The network, and a batch that shows which Linear is called last.
    """
    head = _last_linear(module, example)
    heard: list[Tensor] = []
    if head is None:
        yield lambda forward: forward.activations.flatten(2).mean(2).float()
        return
    handle = head.register_forward_pre_hook(lambda _module, inputs: heard.append(inputs[0].detach()))
    try:
        yield lambda _forward: _flat(heard)
    finally:
        handle.remove()


def _last_linear(module: nn.Module, example: Tensor) -> nn.Module | None:
    called: list[nn.Module] = []
    with ExitStack() as stack, torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear):
                handle = part.register_forward_pre_hook(lambda one, _inputs: called.append(one))
                stack.callback(handle.remove)
        module(example)
    return called[-1] if called else None


def _flat(heard: list[Tensor]) -> Tensor:
    """Take the last input, whatever lies between samples and channels averaged: (B, D)."""
    values = heard[-1]
    heard.clear()
    return (values if values.ndim == 2 else values.flatten(1, -2).mean(1)).float()
