"""Methods that combine one layer's activations with their gradients."""

from foveal.attribution.cam import cam, gradcam, gradcamplusplus, hirescam, layercam

__all__ = ["cam", "gradcam", "gradcamplusplus", "hirescam", "layercam"]
