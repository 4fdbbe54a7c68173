"""Where a facet's windows lie in the picture, beside those of other facets."""

from __future__ import annotations

from foveal_audit.judgement.signals.nulls import Signal, superiority, those
from foveal_audit.judgement.signals.position import corner_lock, crowding, in_frame, off_centre, position_lock
from foveal_audit.judgement.signals.question import Question, extents


def where(asked: Question) -> dict[str, Signal]:
    """Measure whether the facet keeps to a place, to mirrored places, away from the middle, at the edge.

    ``off_centre``, ``border`` and ``unusual_place`` (where few others lie) rank its windows among those of
    other facets: 0 to 1, .5 = alike.
    """
    samples, pool = asked.around.samples, asked.around.pool_centres
    own, other = extents(asked.windows, samples), extents(asked.pool, samples)
    middles = asked.pool.centres(samples)
    return those(
        position_lock=position_lock(asked.centres, pool, asked.chance("position_lock")),
        corner_lock=corner_lock(asked.centres, pool, asked.chance("corner_lock")),
        off_centre=superiority(off_centre(asked.centres), off_centre(middles)),
        unusual_place=superiority(-crowding(asked.centres, middles), -crowding(middles, middles, own=True)),
        border=superiority(in_frame(own), in_frame(other)),
    )
