"""LayerCAM: positive gradients times activation, position by position."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.registry import layer_method


@layer_method(
    "layercam",
    formula="M = sum_k ReLU(g_k) A_k",
    source="Jiang et al., IEEE TIP 2021, doi:10.1109/TIP.2021.3089943",
    sanity="mixed",
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Sum ReLU(gradient) * activation over the channels; suits shallow layers."""
    return (gradients.clamp(min=0) * activations).sum(1)
