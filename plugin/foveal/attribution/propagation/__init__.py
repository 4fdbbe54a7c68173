"""Methods that carry relevance back from the unit, layer by layer, by rules of their own."""

from foveal.attribution.propagation import deep_taylor, deeplift, excitation, lrp, pattern

__all__ = ["deep_taylor", "deeplift", "excitation", "lrp", "pattern"]
