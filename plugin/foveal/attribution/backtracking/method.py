"""Backtracking as a method: the density of the important pixels."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.backtracking.density import REACH, SHARE
from foveal.attribution.backtracking.rules import Channels
from foveal.attribution.backtracking.tracing import backtrack
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "backtracking",
    formula="M(p) = sum_i n_i exp(-|p - p_i|^2 / 2 sigma^2) / sum_i n_i over the important pixels p_i",
    source="Gandikota and Mishra, How you see me",
    cost="one forward",
    sanity="mixed",
    needs=("layers that are linear, convolutional, pooling or elementwise",),
)
def attribute(
    subject: Subject,
    *,
    top_n: int | None = 5,
    entry_n: int | None = None,
    channels: Channels = "argmax",
    bias: bool = False,
    sigma: float | None = None,
    share: float = SHARE,
    reach: float = REACH,
) -> Tensor:
    """Density of the pixels reached by going back, layer by layer, from the unit to what activated it.

    The input's channels are joined: each pixel counts the paths that end in any of its channels. The map is 0
    all over where nothing contributes to the unit.

    Parameters
    ----------
    subject
        Model, batch and units.
    top_n
        How many nodes a fully connected layer keeps of those that contribute positively; None keeps all.
    entry_n
        The same for the first fully connected layer, which stands on the grid or the input.
    channels
        ``argmax``: convolutions follow the channel that contributes most; ``positive``: all that contribute.
    bias
        Add the bias to every single contribution, as the paper's algorithms print.
    sigma
        Standard deviation of the Gaussians in pixels; by default 20/224 of each side.
    share, reach
        A pixel is left out as an outlier where fewer than this share of all lies within this part of the
        sample's diagonal; share 0 keeps all.

    Returns
    -------
    Tensor
        Densities (B, K, *S), float32, from 0 to 1.

    Raises
    ------
    UsageError
        If an option is out of range, or the network has an operation that cannot be followed.
    """
    found = backtrack(subject, top_n=top_n, entry_n=entry_n, channels=channels, bias=bias)
    return found.focused(share, reach).density(sigma).float()
