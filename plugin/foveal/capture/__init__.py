"""One forward gives the prediction, the nodes and the maps of any number of units."""

from foveal.capture.faults import naming_samples
from foveal.capture.layers import choose_layer, choose_node_layer, find_layer, layer_names
from foveal.capture.tap import Forward, Tap
from foveal.capture.targets import (
    ClassTarget,
    Contribution,
    NodeTarget,
    Target,
    TopClass,
    parse_target,
    predicted_classes,
)

__all__ = [
    "ClassTarget",
    "Contribution",
    "Forward",
    "NodeTarget",
    "Tap",
    "Target",
    "TopClass",
    "choose_layer",
    "choose_node_layer",
    "find_layer",
    "layer_names",
    "naming_samples",
    "parse_target",
    "predicted_classes",
]
