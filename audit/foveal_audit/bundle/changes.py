"""Comparing an audit with the one before: which facets and gaps are new, gone, or judged otherwise.

A later audit may number facets otherwise, and another model gives all of them other ids. So two facets are
the same where they are made of the same windows, and two gaps where they are made of the same samples; only
where too few of them are listed to tell, the id decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from foveal.features import CONTRIBUTION
from foveal_audit.bundle.boxes import jaccard
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.identity import sha256_file
from foveal_audit.bundle.manifest import manifest_path
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding
from foveal_audit.bundle.since import Before, Change, Since

Subject = Assessment | GapFinding

#: A score that moved by less is the same: it moves as much from seed to seed.
MOVED = 0.05
#: Part of the smaller of two that must be shared where they are the same.
ALIKE = 0.5
_SCORES: Mapping[type, Sequence[str]] = {
    GapFinding: ("share_of_production",),
    Assessment: ("artefact_score", "reliance", "irrelevance"),
}
_SAME_PLACE = 0.3  # intersection over union of two windows
_EXPECTED = 5  # entries that two lists of the same facet must be expected to share, or nothing can be told
_URGENCY = ("confirmed", "suspected", "undecidable", "genuine", "not_relied_on", None)


def with_changes(result: AuditResult, previous: Path | None, findings_file: str) -> AuditResult:
    """Add to an audit what changed since the bundle before it; findings that cannot be read are said so."""
    if previous is None:
        return result
    digest = sha256_file(manifest_path(previous))
    try:
        before = Findings.model_validate_json((previous / findings_file).read_bytes())
    except (OSError, ValueError):
        since = Since(manifest=digest)
    else:
        since = compare(before, result.findings, digest)
    return replace(result, findings=result.findings.model_copy(update={"since": since}))


def compare(before: Findings, now: Findings, manifest: str) -> Since:
    """Say what changed from one audit to the next.

    Parameters
    ----------
    before, now
        What both found.
    manifest
        sha256 of the earlier bundle's manifest.
    """
    pairs = paired(before, now)
    changes = [change for change in (_change(*pair) for pair in pairs) if change is not None]
    return Since(
        manifest=manifest,
        before=_about(before),
        changes=sorted(changes, key=_pressing),
        unchanged=len(pairs) - len(changes),
    )


def paired(before: Findings, now: Findings) -> list[tuple[Subject | None, Subject | None]]:
    """Pair the facets and gaps of two audits that are the same, then and now; what has no partner is alone.

    The surest are paired first: those of the same name, then those that have most in common.
    """
    old, new = (_numbered(one) for one in (before, now))
    same_model = before.model.sha256 == now.model.sha256
    likely = [
        (not _named_alike(one, other), -likeness, i, j)
        for i, one in old.items()
        for j, other in new.items()
        if (likeness := _likeness(one, other, same_model=same_model)) >= ALIKE
    ]
    found: list[tuple[Subject | None, Subject | None]] = []
    for _, _, i, j in sorted(likely):
        if i in old and j in new:
            found.append((old.pop(i), new.pop(j)))
    return [*found, *((one, None) for one in old.values()), *((None, one) for one in new.values())]


def _numbered(findings: Findings) -> dict[int, Subject]:
    subjects: list[Subject] = [*findings.assessments, *findings.gaps]
    return dict(enumerate(subjects))


def _about(findings: Findings) -> Before:
    return Before(
        created=findings.created,
        fingerprint=findings.fingerprint,
        model=findings.model.name,
        model_sha256=findings.model.sha256,
        model_uri=findings.model.uri,
        library=findings.library.name,
        samples=findings.library.samples,
        entries=findings.library.entries,
        config_sha256=findings.config.sha256,
        environment_sha256=findings.environment.sha256,
    )


def _named_alike(one: Subject, other: Subject) -> bool:
    if isinstance(one, Assessment) and isinstance(other, Assessment):
        return (one.feature, one.facet) == (other.feature, other.facet)
    return one.id == other.id


def _likeness(one: Subject, other: Subject, *, same_model: bool) -> float:
    """Give how much two have in common, 0 to about 1; by their id where the lists do not tell."""
    if isinstance(one, Assessment) and isinstance(other, Assessment):
        if one.feature != other.feature and not _both_found_by_contribution(one, other):
            return 0.0
        shared, size = _shared_windows(one, other), (len(one.entries), len(other.entries))
        whole = max(sum(one.n_entries.values()), sum(other.n_entries.values()), 1)
    elif isinstance(one, GapFinding) and isinstance(other, GapFinding) and one.gap == other.gap:
        shared, size = len({*one.samples} & {*other.samples}), (len(one.samples), len(other.samples))
        whole = max(*size, 1)
    else:
        return 0.0
    expected = size[0] * size[1] / whole  # both lists are drawn by chance where there is more than they hold
    if expected < min(_EXPECTED, whole):
        return float(same_model and one.id == other.id)
    return shared / expected


def _both_found_by_contribution(one: Assessment, other: Assessment) -> bool:
    return all(each.feature.startswith(f"{CONTRIBUTION}:") for each in (one, other))


def _shared_windows(one: Assessment, other: Assessment) -> int:
    places = defaultdict(list)
    for entry in other.entries:
        places[entry.sample].append(entry.window)
    return sum(
        any(jaccard(entry.window, place) >= _SAME_PLACE for place in places[entry.sample])
        for entry in one.entries
        if entry.sample in places
    )


def _change(then: Subject | None, now: Subject | None) -> Change | None:
    """Say how a facet or gap changed; None where it did not."""
    one = now or then
    if one is None:
        return None
    scores = _moved(then, now) if then and now else {}
    if then and now and then.verdict == now.verdict and not scores:
        return None
    return Change(
        id=one.id,
        id_then=then.id if then and then.id != one.id else None,
        kind="gap" if isinstance(one, GapFinding) else "facet",
        title=titled(one),
        then=then.verdict if then else None,
        now=now.verdict if now else None,
        scores=scores,
    )


def titled(one: Subject) -> str:
    """Say in a few words what a facet or gap is."""
    if isinstance(one, GapFinding):
        return one.gap.replace("_", " ")
    return f"facet {one.facet} of {one.feature}"


def _moved(then: Subject, now: Subject) -> dict[str, tuple[float, float]]:
    names = _SCORES[GapFinding if isinstance(now, GapFinding) else Assessment]
    values = {name: (getattr(then, name), getattr(now, name)) for name in names}
    return {name: (a, b) for name, (a, b) in values.items() if abs(b - a) >= MOVED}


def _pressing(change: Change) -> tuple[int, int, str]:
    """Order by what calls for action: by the graver verdict of the two, then by the kind of change."""
    verdict = min(_URGENCY.index(change.then), _URGENCY.index(change.now))
    return verdict, ("new", "verdict", "gone", "scores").index(change.what), change.id
