"""What one forward of a tapped model gives: the prediction, nodes, activations, and maps on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from foveal.attribution import get_layer_method
from foveal.capture.faults import check_finite
from foveal.capture.grids import Layout
from foveal.capture.targets import NodeTarget, Target, node_cotangents
from foveal.capture.values import Values
from foveal.capture.vjp import pull_back
from foveal.errors import UsageError
from foveal.features import CLASS


class Head(Protocol):
    """What is known of a layer's way to the scores, so that its gradients need no graph.

    Attributes
    ----------
    averages
        Whether it is an average over space and one Linear, the case of CAM.
    """

    averages: ClassVar[bool]

    def covers(self, layers: Collection[nn.Module]) -> bool:
        """Tell whether it knows the nodes of these layers, so that forwards need no graph."""
        ...

    def fits(self, targets: Sequence[Target], forward: Forward) -> bool:
        """Tell whether it knows the gradients of these targets."""
        ...

    def gradients(self, targets: Sequence[Target], forward: Forward) -> Tensor:
        """Differentiate targets by the layer's activations: (B, K, C, *S)."""
        ...


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
        What is known of the layer's way to the scores, if anything.
    token
        The class token (B, 1, C) as it entered the layer's block, where the head needs it.
    modules
        The node layers by name.
    mapped
        Names of the node layers that are the map's layer itself.
    again
        Runs the same forward with a graph, where this one has none and the head does not suffice.
    """

    output: Tensor
    prediction: Any
    x: Tensor
    values: dict[str, Values]
    leaf: Tensor | None
    layout: Layout
    layer: str
    head: Head | None = None
    token: Tensor | None = None
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()
    again: Callable[[], Forward] | None = None

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
        gradients = self.gradients(targets)
        with torch.inference_mode(False), torch.no_grad():
            activations = self.activations.to(gradients.dtype)
            maps = chosen.combine_all(activations, gradients)
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
            if self._closed():
                return self._from_head(targets)
            pulled = pull_back(self._rows(targets), self._leaf())
            return self._on_grid(pulled)

    def _closed(self) -> bool:
        """Whether the forward kept no graph, because the head tells the gradients."""
        return self.head is not None and not self._leaf().requires_grad

    def _from_head(self, targets: Sequence[Target]) -> Tensor:
        if self.head is not None and self.head.fits(targets, self):
            return self.head.gradients(targets, self)
        if self.again is None:
            raise ValueError("the forward has no graph, and nobody to run it again")
        return self.again().gradients(targets)

    def _check_head(self, targets: Sequence[Target], method: str) -> None:
        averaged = self.head is not None and self.head.averages
        if not averaged or any(target.layer != CLASS for target in targets):
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

    def _rows(self, targets: Sequence[Target]) -> list[tuple[Tensor, Tensor]]:
        nodes = [target for target in targets if isinstance(target, NodeTarget)]
        if len(nodes) == len(targets) > 1 and len({target.layer for target in nodes}) == 1:
            tensor, _ = self._row(nodes[0])
            cotangents = node_cotangents(nodes, tensor.detach())
            if cotangents is not None:
                return [(tensor, cotangent) for cotangent in cotangents]
        return [self._row(target) for target in targets]

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
        if self.layout.kind == "channels-first":
            return pulled.transpose(0, 1)
        gradients = torch.stack([self.layout.to_grid(one) for one in pulled], dim=1)
        if self.layout.prefix and not bool(gradients.any()) and bool(pulled.any()):
            raise UsageError(
                f"No patch token of layer {self.layer!r} leads to the target, only the class token does",
                "Choose the layer before the last attention, or --layer auto",
            )
        return gradients
