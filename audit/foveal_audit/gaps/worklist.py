"""What to acquire: for every gap, how many samples close it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from foveal_audit.bundle.schema import GapFinding
from foveal_audit.bundle.worklist import Order
from foveal_audit.gaps.coverage import NEIGHBOURS
from foveal_audit.gaps.finding import Gap


def needed_for_share(share: float, trained: int, training: int) -> int:
    """Say how many samples bring training's share of a kind up to production's.

    With a samples more, (trained + a) / (training + a) = share, hence a = (share N - t) / (1 - share).

    Parameters
    ----------
    share
        Part of production, 0 to below 1.
    trained, training
        Training samples of the kind, and all.
    """
    return max(0, math.ceil((share * training - trained) / (1 - share) - 1e-9)) if share < 1 else training


def needed_for_coverage(trained: int) -> int:
    """Say how many samples make the kind covered.

    Coverage is the distance to the tenth nearest sample of a reference that is half of training, so the kind
    needs twice as many.
    """
    return max(0, 2 * NEIGHBOURS - trained)


def needed(gap: Gap, training: int) -> int:
    """Say how many samples close a gap: the larger of both needs."""
    return max(needed_for_share(gap.share, gap.trained, training), needed_for_coverage(gap.trained))


def worklist(stated: Iterable[tuple[GapFinding, Gap]], training: int) -> list[Order]:
    """List what to acquire, the largest share of production first; what the model ignores no sample mends.

    Parameters
    ----------
    stated
        Each gap with its finding.
    training
        Number of training samples.
    """
    orders = [
        Order(finding, needed(gap, training), gap.trained)
        for finding, gap in stated
        if gap.kind != "ignored_concept"
    ]
    return sorted(orders, key=lambda one: (-one.finding.share_of_production, one.finding.id))
