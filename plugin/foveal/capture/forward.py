"""What one forward of a tapped model gives: the prediction, nodes, activations, and maps on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from foveal.attribution import get_layer_method
from foveal.capture.faults import check_finite
from foveal.capture.grids import Layout
from foveal.capture.heads import LinearHead
from foveal.capture.targets import Target
from foveal.capture.vjp import pull_back
from foveal.errors import UsageError
from foveal.features import CLASS


@dataclass(frozen=True, eq=False)
class Values:
    """What a layer of nodes gave, with the graph that leads to it.

    Attributes
    ----------
    nodes
        One value per node (B, N).
    whole
        The values at every position (B, N, *S); the nodes themselves where there are none.
    """

    nodes: Tensor
    whole: Tensor

    @classmethod
    def of(cls, output: Tensor, layout: Layout | None) -> Values:
        """Copy a layer's output: the network may go on in place."""
        kept = output.clone()
        if layout is None:
            return cls(kept, kept) if kept.ndim == 2 else cls(kept.flatten(2).mean(-1), kept)
        return cls(layout.nodes(kept), layout.to_grid(kept))

    def of_target(self, target: Target) -> Tensor:
        """Give the tensor that a target is made of."""
        return self.whole if target.whole else self.nodes


@dataclass(frozen=True, eq=False)
class Forward:
    """One forward of a batch.

    Attributes
    ----------
    output
        The explained scores (B, n) or (B, n, *S), detached.
    prediction
        The model's own output, whatever it is made of, detached.
    x
        The explained input.
    values
        What the node layers gave, and under ``class`` the scores, with their graph.
    leaf, layout, layer
        The cut-off output of the map's layer, how it is arranged, and the layer's name.
    head
        The linear head that follows the layer, if one was found.
    """

    output: Tensor
    prediction: Any
    x: Tensor
    values: dict[str, Values]
    leaf: Tensor | None
    layout: Layout
    layer: str
    head: LinearHead | None = None

    @property
    def nodes(self) -> dict[str, Tensor]:
        """Per node layer its values (B, N), detached."""
        return {name: one.nodes.detach() for name, one in self.values.items() if name != CLASS}

    @property
    def grids(self) -> dict[str, Tensor]:
        """Per node layer with positions its output before the mean (B, N, *S), detached."""
        wholes = {name: one.whole.detach() for name, one in self.values.items() if name != CLASS}
        return {name: whole for name, whole in wholes.items() if whole.ndim > 2}

    @property
    def activations(self) -> Tensor:
        """Output of the map's layer (B, C, *S), detached."""
        return self.layout.to_grid(self._leaf().detach())

    def attribute(self, targets: Sequence[Target], method: str = "gradcam") -> Tensor:
        """Make the maps of several targets for every sample of the batch.

        Returns
        -------
        Tensor
            Raw signed float32 maps (B, K, *S) on the layer's grid.

        Raises
        ------
        UsageError
            For an unknown method, a target out of range, one that the layer does not lead to, or numbers
            that are not finite.
        """
        chosen = get_layer_method(method)
        if chosen.linear_head:
            # The head is found by comparing numbers, and so not where the input is none.
            check_finite(self.x, self.x, self.x, self.layer)
            self._check_head(targets, method)
        combine = chosen.combine
        gradients = self.gradients(targets)
        with torch.inference_mode(False), torch.no_grad():
            activations = self.activations.to(gradients.dtype)
            maps = torch.stack([combine(activations, one) for one in gradients.unbind(1)], dim=1)
            check_finite(self.x, activations, maps, self.layer)
            return maps.float()

    def gradients(self, targets: Sequence[Target]) -> Tensor:
        """Differentiate several targets by the activations: (B, K, C, *S), float32 or float64.

        See :meth:`attribute` for what can be wrong.
        """
        if not targets:
            batch, *rest = self.activations.shape
            return self.activations.new_empty((batch, 0, *rest), dtype=torch.float32)
        with torch.inference_mode(False), torch.no_grad():
            if self.head is not None and self._closed():
                return self.head.gradients(targets, self.values[CLASS].nodes, self.activations)
            pulled = pull_back([self._row(target) for target in targets], self._leaf())
            return self._on_grid(pulled)

    def _closed(self) -> bool:
        """Whether the forward kept no graph, because the head tells all gradients."""
        return not self._leaf().requires_grad

    def _check_head(self, targets: Sequence[Target], method: str) -> None:
        if self.head is None or any(target.layer != CLASS for target in targets):
            raise UsageError(
                f"Method {method!r} explains classes behind an average over space and one Linear, "
                f"which do not follow layer {self.layer!r}",
                "Take gradcam, which is the same where both are defined",
            )

    def _leaf(self) -> Tensor:
        if self.leaf is None:
            raise UsageError(
                f"Layer {self.layer!r} is not used in the forward", "Name a layer that the model runs"
            )
        return self.leaf

    def _row(self, target: Target) -> tuple[Tensor, Tensor]:
        values = self.values.get(target.layer)
        if values is None:
            raise UsageError(
                f"Layer {target.layer!r} is not tapped for nodes", "Give it to the tap as a node layer"
            )
        tensor = values.of_target(target)
        cotangent = target.cotangent(tensor.detach())
        if not tensor.requires_grad:
            raise UsageError(
                f"Layer {target.layer!r} does not come after the map's layer",
                "Choose an earlier --layer for the map",
            )
        return tensor, cotangent

    def _on_grid(self, pulled: Tensor) -> Tensor:
        """Arrange gradients (K, *leaf.shape) as (B, K, C, *S)."""
        gradients = torch.stack([self.layout.to_grid(one) for one in pulled], dim=1)
        if self.layout.prefix and not bool(gradients.any()) and bool(pulled.any()):
            raise UsageError(
                f"No patch token of layer {self.layer!r} leads to the target, only the class token does",
                "Choose the layer before the last attention, or --layer auto",
            )
        return gradients
