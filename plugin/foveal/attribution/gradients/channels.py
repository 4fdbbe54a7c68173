"""From one value per channel to one per position."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from foveal.attribution.options import one_of

#: How values (B, K, C, *S) become maps (B, K, *S).
REDUCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "max": lambda values: values.abs().amax(2),
    "norm": lambda values: values.norm(dim=2),
    "sum": lambda values: values.sum(2),
}


def reduce_channels(values: Tensor, channels: str) -> Tensor:
    """Reduce values (B, K, C, *S) to float32 maps (B, K, *S).

    Parameters
    ----------
    values
        One per unit, channel and position.
    channels
        ``max``: the largest magnitude of any channel; ``norm``: their Euclidean norm; ``sum``: their sum, the
        only one with a sign.

    Raises
    ------
    UsageError
        For any other word.
    """
    one_of("channels", channels, REDUCTIONS)
    return REDUCTIONS[channels](values).float()
