"""From facets to verdicts: signals of irrelevance, causal tests of reliance, and the rule that joins them."""

from foveal_audit.judgement.assessing import rederive

__all__ = ["rederive"]
