"""LIME: a linear model of the score around the sample."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal_audit.attribution.drawing import seeded
from foveal_audit.attribution.game import Game
from foveal_audit.attribution.loading import load_captum


@input_method(
    "lime",
    formula="M = argmin sum over coalitions z of exp(-d(z)^2 / 2 w^2) (S(z) - m0 - m z)^2 + |m|^2",
    source="Ribeiro, Singh and Guestrin, KDD 2016, arXiv:1602.04938 (computed by captum)",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject,
    *,
    samples: int = 1000,
    segments: int = 64,
    kind: str = "blocks",
    baseline: str = "mean",
    width: float = 0.25,
    penalty: float = 1.0,
) -> Tensor:
    """Fit a linear model of the probability to random coalitions of parts, the fuller ones weighing more.

    Parameters
    ----------
    subject
        Classes are explained by their probability, nodes by their value.
    samples
        How many coalitions, each part present half the time.
    segments
        How many parts the sample is cut into, about.
    kind
        ``blocks`` of equal sides, or ``slic`` superpixels as in the paper.
    baseline
        What stands where a part is missing: ``mean``, ``zero`` or ``blur``.
    width
        Of the kernel over the cosine distance from the whole sample.
    penalty
        Of the ridge regression.

    Returns
    -------
    Tensor
        Maps (B, K, *S): the weight of the part that holds a position.
    """
    at_least("samples", samples, 2)
    game = Game(subject, subject.probabilities, segments=segments, kind=kind, baseline=baseline)
    kernels = load_captum("captum.attr._core.lime")
    models = load_captum("captum._utils.models.linear_model")
    values = []
    for one in range(len(subject.x) * subject.count):
        method = load_captum().Lime(
            lambda coalitions, one=one: game(coalitions)[:, one],
            interpretable_model=models.SkLearnRidge(alpha=penalty),
            similarity_func=kernels.get_exp_kernel_similarity_function("cosine", width),
        )
        # The same coalitions each time: only the first time they are scored.
        with seeded(subject.seed, subject.x.device):
            values.append(
                method.attribute(
                    game.everyone, baselines=0, n_samples=samples, perturbations_per_eval=game.at_once
                )
            )
    return game.maps(torch.cat(values))
