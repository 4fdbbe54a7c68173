"""Methods that differentiate by the input, some with rules of their own at the rectifiers."""

from foveal.attribution.gradients import (
    deconvnet,
    feedback,
    fgvis,
    gradient,
    gradient_x_input,
    guided_backprop,
    guided_gradcam,
    saliency_activation,
    smoothgrad,
)

__all__ = [
    "deconvnet",
    "feedback",
    "fgvis",
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "guided_gradcam",
    "saliency_activation",
    "smoothgrad",
]
