"""A gap as a finding: in one sentence, with its samples, what comes nearest in training, and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import GapFinding
from foveal_audit.bundle.worklist import WORKLIST
from foveal_audit.gaps.finding import Gap
from foveal_audit.gaps.worklist import needed
from foveal_audit.windows import Evidence

#: Kind to what to do and what to say.
_STATED = {
    "uncovered_group": (
        "acquire",
        "{count} production samples ({share:.0%}) show what training does not hold.",
    ),
    "under_represented": (
        "augment",
        "{count} production samples ({share:.0%}) show what training holds too rarely.",
    ),
    "conjunction": (
        "acquire",
        "{count} production samples ({share:.0%}) join what training shows only apart.",
    ),
    "missing_concept": ("acquire", "Training does not hold the concept {concept!r}."),
    "ignored_concept": (
        "ask_expert",
        "Training holds the concept {concept!r}, and no channel of the model answers to it.",
    ),
}


def state_gap(gap: Gap, evidence: Evidence, model_sha256: str) -> GapFinding:
    """Write a gap down."""
    samples = evidence.samples
    names = [str(samples.names[member]) for member in gap.members]
    concept = gap.explained_by.get("concept", "")
    # Named by its samples: the same group has the same id in every audit of the same library.
    told = sorted(names) if names else [concept]
    part = hashlib.sha256("\0".join(told).encode("utf-8", "backslashreplace")).hexdigest()
    nearest = dict.fromkeys(str(samples.names[evidence.contribution.owner[row]]) for row in gap.nearest)
    action, statement = _STATED[gap.kind]
    return GapFinding(
        id=make_id("G", model_sha256, gap.kind, part),
        gap=gap.kind,  # type: ignore[arg-type]  # one of the kinds above
        verdict="suspected",
        statement=statement.format(count=len(names), share=gap.share, concept=concept),
        share_of_production=gap.share,
        samples=names,
        nearest_training=list(nearest),
        explained_by=dict(gap.explained_by),
        action=action,  # type: ignore[arg-type]  # one of the actions above
        p_value=gap.p,
        reasons=list(_reasons(gap, evidence)),
    )


def _reasons(gap: Gap, evidence: Evidence) -> Iterator[str]:
    samples = evidence.samples
    if len(gap.members):
        if gap.space != "attributes":
            yield (
                f"A classifier that never saw them tells them from all but {gap.trained} training samples "
                f"({gap.space} description); the strongest find in a hold-out of training is as strong with "
                f"p = {gap.p:.2g}."
            )
        predicted = np.bincount(samples.predicted[gap.members])
        yield f"The model sorts them into {np.count_nonzero(predicted)} classes."
    yield from gap.notes
    if gap.kind != "ignored_concept":
        number = needed(gap, int(samples.of("training").sum()))
        yield (
            f"About {number} more samples like them close the gap (training holds {gap.trained}): see "
            f"{WORKLIST}."
        )
