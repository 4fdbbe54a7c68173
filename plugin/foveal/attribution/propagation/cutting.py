"""A forward whose linear operations do not touch: each result is a leaf of the graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from foveal.attribution.propagation.engine import Propagation
from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.rules import Rule, excitation


@dataclass(eq=False)
class Cut(Propagation):
    """Handlers that cut the graph at every linear operation's result.

    Attributes
    ----------
    leaves
        The results by the operations' index.
    """

    rule: Rule = excitation
    leaves: dict[int, Tensor] = field(default_factory=dict)

    def share(self, one: Linear, value: Tensor | None = None) -> Tensor:
        """Give the operation's result as a leaf, after :meth:`visit`."""
        one = replace(one, index=self.next_index(), value=value)
        self.visit(one)
        leaf = self.leaves[one.index] = one.output.detach().requires_grad_()
        # A copy: it may be changed in place, and its maker stands for the operation.
        result = leaf.clone()
        self.remember(result, one)
        return result

    def visit(self, one: Linear) -> None:
        """Look at an operation at work; for those who want to."""
