"""Layer-wise relevance propagation: the recommended composite, and each rule by itself."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.propagation import rules
from foveal.attribution.propagation.composites import by_kind, run
from foveal.attribution.propagation.options import check_at_least, choose
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject

_FORMULA = "M_i = R_i = sum_j R_ij, summed over channels; "


@input_method(
    "lrp",
    formula=_FORMULA + "epsilon rule in dense layers, gamma in convolutions, z-box or w^2 at the input",
    source="Montavon et al., Explainable AI 2019; Kohlbrenner et al., IJCNN 2020, arXiv:1910.09840",
    cost="one backward",
    sanity="passes",
    needs=("eager model",),
    place="either",
)
def lrp(
    subject: Subject,
    *,
    conv: str = "gamma",
    gamma: float = 0.25,
    epsilon: float = 1e-6,
    first: str = "auto",
    low: float | None = None,
    high: float | None = None,
) -> Tensor:
    """Propagate relevance by the recommended composite of rules.

    Parameters
    ----------
    subject
        What is explained.
    conv
        Rule of convolutions: ``gamma``, ``zplus``, ``alpha-beta`` (2, 1) or ``epsilon``.
    gamma
        How much contributions that agree with an output are favoured.
    epsilon
        What damps outputs near zero, in units of the output.
    first
        Rule of the first layer: ``box`` (needs `low` and `high`), ``w2``, ``flat``, ``same`` as the others;
        ``auto`` takes z-box where bounds are given, else w^2.
    low, high
        Bounds of the model's input, after preprocessing.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), signed, in units of the explained value.

    Raises
    ------
    UsageError
        For an unknown rule, a negative `gamma` or `epsilon`, bounds that do not bound the input, or an
        operation without a rule.
    """
    check_at_least("gamma", gamma, 0)
    check_at_least("epsilon", epsilon, 0)
    dense = rules.epsilon(epsilon)
    table = {
        "gamma": rules.gamma(gamma),
        "zplus": rules.z_plus,
        "alpha-beta": rules.alpha_beta(2),
        "epsilon": dense,
    }
    return run(subject, by_kind(dense, choose("conv", conv, table)), first=first, low=low, high=high)


@input_method(
    "lrp-epsilon",
    formula=_FORMULA + "R_ij = x_i w_ij R_j / (y_j + eps sign y_j)",
    source="Bach et al., PLoS ONE 2015",
    cost="one backward",
    sanity="mixed",
    needs=("eager model",),
    place="either",
)
def lrp_epsilon(subject: Subject, *, epsilon: float = 1e-6) -> Tensor:
    """Propagate relevance by the epsilon rule everywhere; with epsilon=0 it is complete but for biases.

    Parameters
    ----------
    subject
        What is explained.
    epsilon
        What damps outputs near zero, in units of the output.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), signed, in units of the explained value.
    """
    check_at_least("epsilon", epsilon, 0)
    return run(subject, rules.epsilon(epsilon), low=None, high=None)


@input_method(
    "lrp-gamma",
    formula=_FORMULA + "R_ij ~ x_i w_ij + gamma (x_i w_ij)+ where y_j > 0, (x_i w_ij)- where y_j < 0",
    source="Montavon et al., Explainable AI 2019",
    cost="one backward",
    sanity="mixed",
    needs=("eager model",),
    place="either",
)
def lrp_gamma(subject: Subject, *, gamma: float = 0.25) -> Tensor:
    """Propagate relevance by the gamma rule everywhere.

    Parameters
    ----------
    subject
        What is explained.
    gamma
        How much contributions that agree with an output are favoured; 0 is LRP-0, infinity z+.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), signed, in units of the explained value.
    """
    check_at_least("gamma", gamma, 0)
    return run(subject, rules.gamma(gamma), low=None, high=None)


@input_method(
    "lrp-zplus",
    formula=_FORMULA + "R_ij = (x_i w_ij)+ R_j / (sum_i (x_i w_ij)+ + b_j+)",
    source="Montavon et al., Pattern Recognition 2017, arXiv:1512.02479",
    cost="one backward",
    sanity="fails",
    needs=("eager model",),
    place="either",
)
def lrp_zplus(subject: Subject) -> Tensor:
    """Propagate relevance along positive contributions alone, everywhere.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), of the explained value's sign and in its units.
    """
    return run(subject, rules.z_plus, low=None, high=None)


@input_method(
    "lrp-alpha-beta",
    formula=_FORMULA + "R_ij = (alpha (x_i w_ij)+ / z_j+ - (alpha - 1) (x_i w_ij)- / z_j-) R_j",
    source="Bach et al., PLoS ONE 2015",
    cost="one backward",
    sanity="mixed",
    needs=("eager model",),
    place="either",
)
def lrp_alpha_beta(subject: Subject, *, alpha: float = 2.0) -> Tensor:
    """Propagate relevance along positive contributions, counter-relevance along negative ones.

    Parameters
    ----------
    subject
        What is explained.
    alpha
        Weight of positive contributions, at least 1; beta is alpha - 1.

    Returns
    -------
    Tensor
        Relevance (B, K, *grid), signed, in units of the explained value.
    """
    check_at_least("alpha", alpha, 1)
    return run(subject, rules.alpha_beta(alpha), low=None, high=None)
