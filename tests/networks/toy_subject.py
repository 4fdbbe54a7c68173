"""A subject made of a plain function, whose maps can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class ToySubject:
    """Units that a function of the batch gives (N, n); the first `classes` of them have probabilities."""

    model: Callable[[Tensor], Tensor]
    x: Tensor
    classes: bool = True
    seed: int = 0
    training: Tensor | None = None
    layer: str | None = None
    calls: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.x = self.x.detach()
        with torch.no_grad():
            self.output = self.model(self.x)
        self.count = self.output.shape[1]
        if not isinstance(self.model, nn.Module):
            self.function, self.model = self.model, nn.Identity()

    def scores(self, x: Tensor) -> Tensor:
        """Run the function, and note how many rows it was given."""
        self.calls.append(len(x))
        return getattr(self, "function", self.model)(x)

    def probabilities(self, x: Tensor) -> Tensor:
        """Softmax over the units, if they are classes."""
        scores = self.scores(x)
        return scores.softmax(1) if self.classes else scores

    def gradients(self, x: Tensor | None = None, *, layer: str | None = None) -> tuple[Tensor, Tensor]:
        """Differentiate the units by the input, one by one."""
        assert layer is None
        values = (self.x if x is None else x).detach().requires_grad_()
        with torch.enable_grad():
            scores = self.scores(values)
            rows = [torch.autograd.grad(one.sum(), values, retain_graph=True)[0] for one in scores.unbind(1)]
        return values.detach(), torch.stack(rows, 1)
