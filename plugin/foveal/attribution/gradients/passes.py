"""Forwards whose every row explains one unit, for methods that change the forward unit by unit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Rows of one forward at most; more units go in several.
ROWS = 16


@dataclass(frozen=True)
class Rows:
    """The batch once for each of some units: row r * B + b explains unit `first` + r for sample b.

    Attributes
    ----------
    subject
        Whose units they are.
    first, count
        Which units.
    """

    subject: Subject
    first: int
    count: int

    def repeat(self, batch: Tensor) -> Tensor:
        """Repeat something per sample (B, ...) for every unit: (R * B, ...)."""
        return batch.repeat(self.count, *[1] * (batch.ndim - 1))

    def score(self, x: Tensor) -> Tensor:
        """Score rows (R * B, C, *S) of the sample, each for its own unit: (R * B,)."""
        return self._own(self.subject.scores(x))

    def probability(self, x: Tensor) -> Tensor:
        """Score rows as :meth:`score` does; classes as probabilities."""
        return self._own(self.subject.probabilities(x))

    def _own(self, values: Tensor) -> Tensor:
        own = values[:, self.first : self.first + self.count]
        return torch.einsum("rbr->rb", own.reshape(self.count, -1, self.count)).flatten()


def by_units(subject: Subject, explain: Callable[[Rows], Tensor]) -> Tensor:
    """Explain unit by unit, as many at once as memory allows.

    Parameters
    ----------
    subject
        What is explained.
    explain
        Rows of R units to their values (R * B, ...).

    Returns
    -------
    Tensor
        Values (B, K, ...).
    """
    step = max(1, ROWS // max(1, len(subject.x)))
    starts = range(0, subject.count, step)
    chunks = [Rows(subject, start, min(step, subject.count - start)) for start in starts]
    explained = torch.cat([explain(rows) for rows in chunks])
    return explained.reshape(subject.count, -1, *explained.shape[1:]).transpose(0, 1)


def differentiate(
    score: Callable[[Tensor], Tensor], x: Tensor, override: AbstractContextManager[object]
) -> tuple[Tensor, Tensor]:
    """Score rows and differentiate each by itself.

    Parameters
    ----------
    score
        Rows (R, C, *S) to their scores (R,).
    x
        The rows.
    override
        Holds for the forward.

    Returns
    -------
    Tensor
        Scores (R,), detached.
    Tensor
        Gradients (R, C, *S), detached.

    Raises
    ------
    UsageError
        If the scores do not depend on the rows.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        start = leaf.clone()
        with override:
            scores = score(start)
        if not scores.requires_grad:
            raise UsageError("The unit does not depend on the sample", "Explain another unit")
        (gradients,) = torch.autograd.grad(scores.sum(), leaf)
    return scores.detach(), gradients
