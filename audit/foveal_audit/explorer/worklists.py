"""What experts' verdicts ask for: training samples to remove or mask, and samples to acquire; as tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow.compute as pc

from foveal.library import Library
from foveal.library.opinions import Standing
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding
from foveal_audit.bundle.training import Row

UNWANTED_COLUMNS = ("subject", "feature", "facet", "name", "code", "verdict", "readers", "of", "sample",
                    "row", "label", "window", "activation", "entry")  # fmt: skip
ACQUISITION_COLUMNS = ("gap", "kind", "action", "name", "code", "readers", "share_of_production", "what",
                       "samples", "nearest_training", "note")  # fmt: skip
#: Verdicts of experts that say that a feature should not be used.
UNWANTED = ("artefact", "site-specific")
#: What experts say of a gap that is to be closed.
ACCEPTED = "genuine"
_COLUMNS = ["id", "sample", "row", "label", "window", "activation"]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def unwanted_csv(
    library: Library,
    findings: Findings | None,
    said: Mapping[str, Standing],
    training: Sequence[Row] | None = None,
) -> str:
    """List the training samples that contain what experts dismissed, window by window.

    Parameters
    ----------
    said
        What is thought of every subject; where readers disagree nothing is listed.
    training
        All training windows of the audit's facets, see :func:`.bundle.training.read_training`; without them
        those that the findings name, 200 entries of a facet at most.

    Returns
    -------
    str
        CSV with the columns :data:`UNWANTED_COLUMNS`, by subject and sample. ``of`` counts the training
        windows of the subject: what the library lost since the audit is counted, but not listed.
    """
    facets = {one.id: one for one in findings.assessments} if findings else {}
    features = library.features()
    rows: list[tuple[object, ...]] = []
    for subject, one in sorted(said.items()):
        if one.verdict not in UNWANTED:
            continue
        facet = facets.get(subject)
        if facet is not None:
            rows += _of_facet(library, one, facet, _listed(facet, training))
        elif subject in features:
            rows += _of_feature(library, one)
    return _table(UNWANTED_COLUMNS, rows)


def acquisition_csv(findings: Findings | None, said: Mapping[str, Standing]) -> str:
    """List the gaps that experts accepted, the largest share of production first."""
    gaps = [one for one in (findings.gaps if findings else []) if _accepted(one, said)]
    return _table(ACQUISITION_COLUMNS, (_order(gap, said[gap.id]) for gap in gaps))


def _accepted(gap: GapFinding, said: Mapping[str, Standing]) -> bool:
    return gap.id in said and said[gap.id].verdict == ACCEPTED


def _of_feature(library: Library, said: Standing) -> Iterator[tuple[object, ...]]:
    """Give all training windows of a feature."""
    rows = library.query(feature=said.subject, source="training").table(_COLUMNS).to_pylist()
    told = (*_told(said, said.subject, ""), len(rows))
    yield from (_row(told, row) for row in rows)


def _of_facet(
    library: Library, said: Standing, facet: Assessment, listed: Sequence[Row]
) -> Iterator[tuple[object, ...]]:
    """Give the training windows of a facet that the library still holds; whole pictures are no entries."""
    told = (*_told(said, facet.feature, facet.facet), facet.n_entries.get("training", 0))
    ids = [row.entry for row in listed if row.entry]
    rows = library.query(ids=ids, source="training").table(_COLUMNS).to_pylist() if ids else []
    yield from (_row(told, row) for row in rows)
    whole = [row for row in listed if not row.entry]
    there = _held(library) if whole else frozenset()
    for row in whole:
        if row.sample in there:
            yield (*told, row.sample, "", row.label, row.window, row.activation, "")


def _listed(facet: Assessment, training: Sequence[Row] | None) -> Sequence[Row]:
    if training is not None:
        return [row for row in training if row.facet == facet.id]
    return [
        Row(facet=facet.id, sample=ref.sample, label="", window=" ".join(map(str, ref.window)),
            activation=ref.activation, entry=ref.id or "")
        for ref in facet.entries if ref.source == "training"
    ]  # fmt: skip


def _held(library: Library) -> frozenset[str]:
    table = library.samples(columns=["sample", "source"])
    return frozenset(table.filter(pc.equal(table["source"], "training"))["sample"].to_pylist())


def _told(said: Standing, feature: str, number: int | str) -> tuple[object, ...]:
    return (said.subject, feature, number, said.name, said.code, said.verdict, _readers(said))


def _row(told: tuple[object, ...], row: Mapping[str, Any]) -> tuple[object, ...]:
    window = " ".join(map(str, row["window"]))
    return (*told, row["sample"], row["row"], row["label"] or "", window, row["activation"], row["id"])


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
