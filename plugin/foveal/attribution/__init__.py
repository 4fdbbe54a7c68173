"""Attribution methods: one short module each, one registry.

A layer method combines a layer's activations with the gradients of the explained unit; it takes any number
of spatial axes. :mod:`foveal.capture` supplies both from one forward.
"""

from foveal.attribution import gradcam, gradcamplusplus, hirescam, layercam
from foveal.attribution.registry import METHODS, LayerMethod, get_method, register

__all__ = [
    "METHODS",
    "LayerMethod",
    "get_method",
    "gradcam",
    "gradcamplusplus",
    "hirescam",
    "layercam",
    "register",
]
