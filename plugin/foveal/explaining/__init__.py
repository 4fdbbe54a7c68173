"""Explain single predictions: from Python, and as files for a person to look at."""

from foveal.explaining.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
