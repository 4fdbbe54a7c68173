"""Attribution methods that captum computes right, entered into Foveal's registry.

Importing this package registers them; the entry point group ``foveal.methods`` names it.
"""

from foveal_audit.attribution import (
    gradient_shap,
    integrated_gradients,
    kernel_shap,
    lime,
    occlusion,
    shapley_sampling,
)

__all__ = ["gradient_shap", "integrated_gradients", "kernel_shap", "lime", "occlusion", "shapley_sampling"]
