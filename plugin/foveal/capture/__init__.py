"""One forward gives the prediction, the nodes and the maps of any number of units."""

from foveal.capture.choosing import choose_layer, choose_node_layer
from foveal.capture.faults import check_finite, naming_samples
from foveal.capture.forward import Forward
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.layers import find_layer, layer_names
from foveal.capture.listening import calls_seen, listening
from foveal.capture.opening import open_model
from foveal.capture.outputs import Selector
from foveal.capture.scripted import SCRIPTED_LAYER, ScriptedTap
from foveal.capture.subject import TappedSubject
from foveal.capture.tap import Tap
from foveal.capture.targets import (
    ChannelTarget,
    ClassTarget,
    Contribution,
    NodeTarget,
    ScoreTarget,
    SegmentTarget,
    Target,
    TopClass,
    class_probabilities,
    parse_target,
    predicted_classes,
)

__all__ = [
    "SCRIPTED_LAYER",
    "Batch",
    "ChannelTarget",
    "ClassTarget",
    "Contribution",
    "Forward",
    "Inputs",
    "NodeTarget",
    "ScoreTarget",
    "ScriptedTap",
    "SegmentTarget",
    "Selector",
    "Tap",
    "TappedSubject",
    "Target",
    "TopClass",
    "calls_seen",
    "check_finite",
    "choose_layer",
    "choose_node_layer",
    "class_probabilities",
    "find_layer",
    "layer_names",
    "listening",
    "naming_samples",
    "open_model",
    "parse_target",
    "predicted_classes",
]
