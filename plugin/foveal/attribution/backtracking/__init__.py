"""The 'How you see me' backtracking: from a unit to the input nodes that carried it."""

from foveal.attribution.backtracking import method
from foveal.attribution.backtracking.pixels import Backtrack, ImportantPixels
from foveal.attribution.backtracking.tracing import backtrack

__all__ = ["Backtrack", "ImportantPixels", "backtrack", "method"]
