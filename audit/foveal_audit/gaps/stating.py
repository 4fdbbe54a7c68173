"""A gap as a finding: in one sentence, with its samples, what comes nearest in training, and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import GapFinding
from foveal_audit.bundle.summary import plural
from foveal_audit.bundle.worklist import WORKLIST
from foveal_audit.gaps.coverage import NEIGHBOURS
from foveal_audit.gaps.finding import Gap
from foveal_audit.gaps.worklist import needed
from foveal_audit.judgement.wording import worded
from foveal_audit.nouns import say
from foveal_audit.windows import Evidence

#: Classes that are named of a group.
_NAMED = 5
_ALL = "windows and whole pictures, as the network sees them and as it does not"

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


def state_gap(gap: Gap, evidence: Evidence, model_sha256: str, labels: Sequence[str] = ()) -> GapFinding:
    """Write a gap down.

    Parameters
    ----------
    gap
        As found.
    evidence
        What the library holds.
    model_sha256
        Of the audited model.
    labels
        Names of its classes; one without a name is called by its number.
    """
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
        reasons=worded(_reasons(gap, evidence, labels), samples.axes),
    )


def _reasons(gap: Gap, evidence: Evidence, labels: Sequence[str]) -> Iterator[str]:
    samples = evidence.samples
    if len(gap.members):
        if gap.space != "attributes":
            yield _told_apart(gap, samples.axes)
        yield f"The model answers them with {_answers(samples.predicted[gap.members], labels)}."
    yield from gap.notes
    if gap.kind != "ignored_concept":
        number = needed(gap, int(samples.of("training").sum()))
        yield (
            f"About {number} more samples like them close the gap (training holds {gap.trained}), so that "
            f"training holds as large a part of them as production does, and at least {2 * NEIGHBOURS}: see "
            f"{WORKLIST}."
        )


def _told_apart(gap: Gap, axes: int) -> str:
    """Say how surely the group is unlike training."""
    alike = (
        "no training sample looks like them"
        if not gap.trained
        else (f"{plural(gap.trained, 'training sample')} {'looks' if gap.trained == 1 else 'look'} like them")
    )
    basis = _ALL if gap.space == "all descriptions" else f"the description {say(gap.space, axes)!r}"
    return (
        f"A classifier that never saw them sets them apart from training, by {basis}: {alike}. Among "
        f"held-out training samples a group that stands out so clearly is found with probability {gap.p:.2g}."
    )


def _answers(predicted: NDArray[np.int64], labels: Sequence[str]) -> str:
    """Name the classes that a group is answered with, the most frequent first, and how often."""
    classes, counts = np.unique(predicted, return_counts=True)
    named = []
    for place in np.argsort(-counts, kind="stable"):
        number = int(classes[place])
        name = repr(labels[number]) if number < len(labels) else f"class {number}"
        named.append(f"{name} ({counts[place]})")
    more = f" and {plural(len(named) - _NAMED, 'more class', 'more classes')}" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
