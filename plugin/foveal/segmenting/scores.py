"""From an output with positions to one score per class: how much of the class was found.

The evidence of a class is the margin by which it wins (its logit less the best of the others), averaged over
all positions, those where it does not win counting nothing. A class that wins nowhere has the margin by which
it fails at its best position, over the number of positions: the same sum, continued below zero. So removing
what a class was found on lowers its evidence in proportion to area and certainty, and evidence that comes
close to being found shows too. The gradient is that of Seg-Grad-CAM against the runner-up: even over all that
was found, and not only along its edge as that of probabilities is.

The score is the inverse hyperbolic sine of the evidence in thousandths: linear about nothing found, a
logarithm beyond, the scale on which logits of classifiers move. The background scores 0: it is predicted
where nothing else is found, and the softmax of the scores says how clearly something was.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Evidence that counts as one: a thousandth of the positions, won by one.
UNIT = 1e-3


def by_class(output: Tensor) -> Tensor:
    """Give logits (B, n, *S) with one channel per class: a single one, above 0, stands for class 1 of two."""
    return torch.cat([torch.zeros_like(output), output], dim=1) if output.shape[1] == 1 else output


def margins(logits: Tensor) -> Tensor:
    """Give by how much every class wins at every position, negative where it does not: (B, n, *S)."""
    best, winner = logits.topk(2, dim=1)
    won = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, winner[:, :1], value=True)
    return logits - torch.where(won, best[:, 1:], best[:, :1])


def evidence(logits: Tensor) -> Tensor:
    """Give how much of every class is found, (B, n), in units of logits; below 0 where there is none of it.

    Parameters
    ----------
    logits
        (B, n, *S) with at least two classes.
    """
    flat = margins(logits).flatten(2)
    missed = flat.amax(2).clamp(max=0) / flat.shape[2]
    return flat.clamp(min=0).mean(2) + missed


def scores(logits: Tensor, background: int | None) -> Tensor:
    """Give one score per class (B, n) of logits (B, n, *S), 0 for the background where there is one."""
    found = torch.asinh(evidence(logits) / UNIT)
    if background is None:
        return found
    counted = torch.ones(logits.shape[1], dtype=found.dtype, device=found.device)
    counted[background] = 0
    return found * counted
