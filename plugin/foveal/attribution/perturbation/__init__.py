"""Methods that change the sample and watch the prediction."""

from foveal.attribution.perturbation import (
    meaningful_perturbation,
    prediction_difference,
    rise,
    sliding_window,
)

__all__ = ["meaningful_perturbation", "prediction_difference", "rise", "sliding_window"]
