"""Attribution methods: one short module each, one registry.

A *layer method* combines one layer's activations with the gradients of the explained unit, and so comes with
the prediction's own forward. An *input method* makes passes of its own through a :class:`Subject`. Both take
any number of spatial axes. :mod:`foveal.capture` supplies what they work on.
"""

from foveal.attribution import backtracking, cam, gradients, perturbation, propagation, transformers
from foveal.attribution.registry import (
    METHODS,
    InputMethod,
    LayerMethod,
    Method,
    all_methods,
    check_options,
    get_evidence_method,
    get_layer_method,
    get_method,
    input_method,
    layer_method,
)
from foveal.attribution.subject import Subject

__all__ = [
    "METHODS",
    "InputMethod",
    "LayerMethod",
    "Method",
    "Subject",
    "all_methods",
    "backtracking",
    "cam",
    "check_options",
    "get_evidence_method",
    "get_layer_method",
    "get_method",
    "gradients",
    "input_method",
    "layer_method",
    "perturbation",
    "propagation",
    "transformers",
]
