"""What a layer of nodes gave in one forward."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from foveal.capture.grids import Layout
from foveal.capture.targets import Target


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
        return cls.kept(output.clone(), layout)

    @classmethod
    def kept(cls, kept: Tensor, layout: Layout | None) -> Values:
        """Take a layer's output that nobody changes any more."""
        if layout is None:
            return cls(kept, kept) if kept.ndim == 2 else cls(kept.flatten(2).mean(-1), kept)
        return cls(layout.nodes(kept), layout.to_grid(kept))

    def of_target(self, target: Target) -> Tensor:
        """Give the tensor that a target is made of."""
        return self.whole if target.whole else self.nodes
