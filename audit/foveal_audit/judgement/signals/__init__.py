"""Signals of irrelevance: each a number per facet and its p-value against a matched null."""

from foveal_audit.judgement.signals.appearance import COMPARED, stamp_likeness
from foveal_audit.judgement.signals.association import (
    conditional_association,
    cramers_v,
    plain_association,
)
from foveal_audit.judgement.signals.nulls import PERMUTATIONS, Signal, exceedance
from foveal_audit.judgement.signals.position import position_lock

__all__ = [
    "COMPARED",
    "PERMUTATIONS",
    "Signal",
    "conditional_association",
    "cramers_v",
    "exceedance",
    "plain_association",
    "position_lock",
    "stamp_likeness",
]
