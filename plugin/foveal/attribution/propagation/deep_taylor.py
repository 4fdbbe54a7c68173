"""Deep Taylor decomposition: relevance by Taylor expansions layer by layer."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.propagation import rules
from foveal.attribution.propagation.composites import run
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "deep-taylor",
    formula="M_i = sum_j R_ij, summed over channels; z+ everywhere, z-box or w^2 at the first layer",
    source="Montavon et al., Pattern Recognition 2017, arXiv:1512.02479",
    cost="one backward",
    sanity="fails",
    needs=("eager model",),
    place="either",
)
def deep_taylor(
    subject: Subject, *, first: str = "auto", low: float | None = None, high: float | None = None
) -> Tensor:
    """Decompose the unit's value by Taylor expansions layer by layer.

    Parameters
    ----------
    subject
        What is explained.
    first
        Rule of the first layer: ``box`` (needs `low` and `high`), ``w2``, ``flat`` or ``same``; ``auto``
        takes z-box where bounds are given, else w^2.
    low, high
        Bounds of the model's input, after preprocessing.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), of the explained value's sign and in its units.
    """
    return run(subject, rules.z_plus, first=first, low=low, high=high)
