"""How well a map tells what a model used: the probability as evidence is taken away or brought back."""

from foveal.faithfulness.baselines import BASELINES, blur, make_baseline
from foveal.faithfulness.curves import (
    STEPS,
    Faithfulness,
    Score,
    insertion_deletion,
    random_insertion_deletion,
    random_maps,
    rank_positions,
)

__all__ = [
    "BASELINES",
    "STEPS",
    "Faithfulness",
    "Score",
    "blur",
    "insertion_deletion",
    "make_baseline",
    "random_insertion_deletion",
    "random_maps",
    "rank_positions",
]
