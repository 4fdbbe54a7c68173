"""Integrated gradients: gradients along the straight way from a baseline to the sample."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import ROWS
from foveal.faithfulness.baselines import make_baseline
from foveal_audit.attribution.loading import load_captum


@input_method(
    "integrated-gradients",
    formula="M = sum over channels of (x - b) * integral of dS/dx from b to x; sums to S(x) - S(b)",
    source="Sundararajan, Taly and Yan, ICML 2017, arXiv:1703.01365 (computed by captum)",
    cost="many passes",
    sanity="mixed",
)
def attribute(subject: Subject, *, steps: int = 50, baseline: str = "zero") -> Tensor:
    """Integrate the gradient from a baseline to the sample; what is found adds up to the difference in score.

    Parameters
    ----------
    subject
        Classes are explained by their logit, nodes by their value.
    steps
        Of the Gauss-Legendre rule.
    baseline
        Where the way starts: ``zero``, ``mean`` or ``blur``.

    Returns
    -------
    Tensor
        Maps (B, K, *S), summed over channels; each sums to S(x) - S(baseline).
    """
    at_least("steps", steps, 1)
    # A copy: captum asks its input for gradients.
    x, start = subject.x.clone(), make_baseline(subject.x, baseline).clone()
    maps = []
    for unit in range(subject.count):
        method = load_captum().IntegratedGradients(lambda rows, unit=unit: subject.scores(rows)[:, unit])
        found = method.attribute(x, start, n_steps=steps, internal_batch_size=max(ROWS, len(x)))
        maps.append(found.detach().sum(1))
    return torch.stack(maps, 1).float()
