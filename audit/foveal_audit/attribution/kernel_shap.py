"""KernelShap: Shapley values as a weighted regression over coalitions of parts."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal_audit.attribution.drawing import seeded
from foveal_audit.attribution.game import Game
from foveal_audit.attribution.loading import load_captum


@input_method(
    "kernel-shap",
    formula="M = argmin sum over coalitions z of Shapley kernel(z) (S(z) - m0 - m z)^2",
    source="Lundberg and Lee, NeurIPS 2017, arXiv:1705.07874 (computed by captum)",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject, *, samples: int = 1000, segments: int = 64, kind: str = "blocks", baseline: str = "mean"
) -> Tensor:
    """Fit Shapley values to the scores of random coalitions of parts.

    Parameters
    ----------
    subject
        Classes are explained by their logit, nodes by their value.
    samples
        How many coalitions; several times the number of parts.
    segments
        How many parts the sample is cut into, about.
    kind
        ``blocks`` of equal sides, or ``slic`` superpixels.
    baseline
        What stands where a part is missing: ``mean``, ``zero`` or ``blur``.

    Returns
    -------
    Tensor
        Maps (B, K, *S): the value of the part that holds a position.
    """
    at_least("samples", samples, 3)
    game = Game(subject, subject.scores, segments=segments, kind=kind, baseline=baseline)
    values = []
    for one in range(len(subject.x) * subject.count):
        method = load_captum().KernelShap(lambda coalitions, one=one: game(coalitions)[:, one])
        # The same coalitions each time: only the first time they are scored.
        with seeded(subject.seed, subject.x.device):
            values.append(
                method.attribute(
                    game.everyone, baselines=0, n_samples=samples, perturbations_per_eval=game.at_once
                )
            )
    return game.maps(torch.cat(values))
