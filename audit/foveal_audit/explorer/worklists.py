"""What experts' verdicts ask for: training samples to remove or mask, and samples to acquire; as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from foveal.library import Library
from foveal.library.opinions import Standing
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding

UNWANTED_COLUMNS = ("subject", "feature", "facet", "name", "code", "verdict", "readers", "of", "sample",
                    "row", "label", "window", "activation", "entry")  # fmt: skip
ACQUISITION_COLUMNS = ("gap", "kind", "action", "name", "code", "readers", "share_of_production", "what",
                       "samples", "nearest_training", "note")  # fmt: skip
#: Verdicts of experts that say that a feature should not be used.
UNWANTED = ("artefact", "site-specific")
#: What experts say of a gap that is to be closed.
ACCEPTED = "genuine"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def unwanted_csv(library: Library, findings: Findings | None, said: Mapping[str, Standing]) -> str:
    """List the training samples that contain what experts dismissed, window by window.

    Parameters
    ----------
    said
        What is thought of every subject; where readers disagree nothing is listed.

    Returns
    -------
    str
        CSV with the columns :data:`UNWANTED_COLUMNS`, by subject and sample. ``of`` counts the training
        windows of the subject: an audit names 200 entries of a facet at most, in which case fewer are listed.
    """
    facets = {one.id: one for one in findings.assessments} if findings else {}
    features = library.features()
    rows: list[tuple[object, ...]] = []
    for subject, one in sorted(said.items()):
        if one.verdict not in UNWANTED:
            continue
        facet = facets.get(subject)
        feature = subject if facet is None else facet.feature
        if facet is not None or feature in features:
            rows += _windows(library, one, feature, facet)
    return _table(UNWANTED_COLUMNS, rows)


def acquisition_csv(findings: Findings | None, said: Mapping[str, Standing]) -> str:
    """List the gaps that experts accepted, the largest share of production first."""
    gaps = [one for one in (findings.gaps if findings else []) if _accepted(one, said)]
    return _table(ACQUISITION_COLUMNS, (_order(gap, said[gap.id]) for gap in gaps))


def _accepted(gap: GapFinding, said: Mapping[str, Standing]) -> bool:
    return gap.id in said and said[gap.id].verdict == ACCEPTED


def _windows(
    library: Library, said: Standing, feature: str, facet: Assessment | None
) -> Iterable[tuple[object, ...]]:
    """Give the training windows of a feature; of a facet those that the audit names."""
    columns = ["id", "sample", "row", "label", "window", "activation"]
    if facet is None:
        table = library.query(feature=feature, source="training").table(columns)
    else:
        ids = [ref.id for ref in facet.entries if ref.id and ref.source == "training"]
        table = library.query(ids=ids, source="training").table(columns)
    number, of = ("", len(table)) if facet is None else (facet.facet, facet.n_entries.get("training", 0))
    told = (said.subject, feature, number, said.name, said.code, said.verdict, _readers(said), of)
    for row in table.to_pylist():
        window = " ".join(map(str, row["window"]))
        yield (*told, row["sample"], row["row"], row["label"] or "", window, row["activation"], row["id"])


def _order(gap: GapFinding, said: Standing) -> tuple[object, ...]:
    what = "; ".join(f"{name} = {value}" for name, value in sorted(gap.explained_by.items()))
    notes = " / ".join(one.note for one in said.opinions if one.note)
    lists = (" ".join(gap.samples), " ".join(gap.nearest_training))
    share = f"{gap.share_of_production:.4g}"
    return (gap.id, gap.gap, gap.action, said.name, said.code, _readers(said), share, what, *lists, notes)


def _readers(said: Standing) -> str:
    return "; ".join(one.who for one in said.opinions if one.verdict)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_inert(value) for value in row] for row in rows)
    return text.getvalue()


def _inert(value: object) -> object:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
