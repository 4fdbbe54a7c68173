"""A gap as a finding: in one sentence, with its samples, what comes nearest in training, and what to do."""

from __future__ import annotations

import hashlib

import numpy as np

from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import GapFinding
from foveal_audit.gaps.finding import Gap
from foveal_audit.windows import Evidence

_ACTIONS = {"uncovered_group": "acquire", "under_represented": "augment"}
_STATEMENTS = {
    "uncovered_group": "{count} production samples ({share:.0%}) show what training does not hold.",
    "under_represented": "{count} production samples ({share:.0%}) show what training holds too rarely.",
}


def state_gap(gap: Gap, evidence: Evidence, model_sha256: str) -> GapFinding:
    """Write a gap down."""
    samples = evidence.samples
    names = [str(samples.names[member]) for member in gap.members]
    # Named by its samples: the same group has the same id in every audit of the same library.
    part = hashlib.sha256("\0".join(sorted(names)).encode("utf-8", "backslashreplace")).hexdigest()
    nearest = dict.fromkeys(str(samples.names[evidence.contribution.owner[row]]) for row in gap.nearest)
    predicted = np.bincount(samples.predicted[gap.members])
    return GapFinding(
        id=make_id("G", model_sha256, gap.kind, part),
        gap=gap.kind,  # type: ignore[arg-type]  # one of the two kinds
        verdict="suspected",
        statement=_STATEMENTS[gap.kind].format(count=len(names), share=gap.share),
        share_of_production=gap.share,
        samples=names,
        nearest_training=list(nearest),
        explained_by=dict(gap.explained_by),
        action=_ACTIONS[gap.kind],  # type: ignore[arg-type]  # one action per kind
        p_value=gap.p,
        reasons=[
            (
                f"A classifier that never saw them tells them from all but {gap.trained} training samples "
                f"({gap.space} description); by chance with p = {gap.p:.2g}."
            ),
            f"The model sorts them into {np.count_nonzero(predicted)} classes.",
        ],
    )
