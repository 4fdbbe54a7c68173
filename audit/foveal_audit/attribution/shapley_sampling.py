"""Shapley value sampling: what parts add to the score, over random orders of their joining."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal_audit.attribution.drawing import seeded
from foveal_audit.attribution.game import Game
from foveal_audit.attribution.loading import load_captum


@input_method(
    "shapley-sampling",
    formula="M = mean over random orders of S(parts before and this) - S(parts before)",
    source="Castro, Gomez and Tejada, Computers and Operations Research 36, 2009 (computed by captum)",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject, *, samples: int = 25, segments: int = 64, kind: str = "blocks", baseline: str = "mean"
) -> Tensor:
    """Average what each part adds when the parts join in random order; adds up to the difference in score.

    Parameters
    ----------
    subject
        Classes are explained by their logit, nodes by their value.
    samples
        How many orders; each costs one forward for every part.
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
    at_least("samples", samples, 1)
    game = Game(subject, subject.scores, segments=segments, kind=kind, baseline=baseline)
    with seeded(subject.seed, subject.x.device):
        values = (
            load_captum()
            .ShapleyValueSampling(game)
            .attribute(game.everyone, baselines=0, n_samples=samples, perturbations_per_eval=game.at_once)
        )
    return game.maps(values[0])
