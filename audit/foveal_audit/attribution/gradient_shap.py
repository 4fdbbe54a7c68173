"""GradientShap: integrated gradients, expected over baselines."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import in_chunks
from foveal.faithfulness.baselines import make_baseline
from foveal_audit.attribution.drawing import seeded
from foveal_audit.attribution.loading import load_captum

#: Draws in one forward: fixed, so that what a sample is given does not depend on its batch.
_AT_ONCE = 8


@input_method(
    "gradient-shap",
    formula="M = sum over channels of E[(x - b) * dS/dx at b + a (x - b)], b a training sample, a uniform",
    source="Lundberg and Lee, NeurIPS 2017; Erion et al., arXiv:1906.10670 (computed by captum)",
    cost="many passes",
    sanity="passes",
    needs=("training samples, else the baseline is zero",),
)
def attribute(subject: Subject, *, samples: int = 48) -> Tensor:
    """Expect the gradient at random places between training samples and the sample, times their difference.

    Parameters
    ----------
    subject
        Classes are explained by their logit, nodes by their value.
    samples
        How many pairs of a baseline and a place.

    Returns
    -------
    Tensor
        Maps (B, K, *S), summed over channels; on average each sums to S(x) - E[S(baseline)].
    """
    at_least("samples", samples, 1)
    batch = subject.x[None].clone()
    baselines = _baselines(subject).expand(-1, *subject.x.shape)
    maps = []
    for unit in range(subject.count):
        method = load_captum().GradientShap(lambda rows, unit=unit: _score(subject, rows, unit))
        total = torch.zeros_like(subject.x)
        # The same draws for every unit.
        with seeded(subject.seed, subject.x.device):
            for chunk in in_chunks(range(samples), _AT_ONCE):
                found = method.attribute(batch, baselines, n_samples=len(chunk))
                total += found.detach()[0] * len(chunk) / samples
        maps.append(total.sum(1))
    return torch.stack(maps, 1).float()


def _score(subject: Subject, rows: Tensor, unit: int) -> Tensor:
    """Score draws of the whole batch (R, B, C, *S), for captum one example each: (R,)."""
    scores = subject.scores(rows.flatten(0, 1))[:, unit]
    return scores.reshape(len(rows), -1).sum(1)


def _baselines(subject: Subject) -> Tensor:
    """Give the baselines (N, 1, C, *S), the same for all samples."""
    if subject.training is None:
        return make_baseline(subject.x[:1], "zero")[None]
    return subject.training.to(subject.x)[:, None]
