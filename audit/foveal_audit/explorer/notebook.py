"""A finding and an audit in a notebook: ``show(findings.findings[0], library)``."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from foveal.library import Library
from foveal.library.notebook import picture_html, table_html
from foveal_audit.bundle.schema import Assessment, Findings, GapFinding
from foveal_audit.explorer.tiles import crop_picture, png, strip
from foveal_audit.report import wording

_CROPS = 9


@dataclass(frozen=True)
class Shown:
    """HTML that a notebook shows and that runs nothing."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def show(one: Assessment | GapFinding | Findings, library: Library | None = None) -> Shown:
    """Show a facet, a gap or a whole audit.

    Parameters
    ----------
    library
        Where its crops are; without one there are none.
    """
    if isinstance(one, Findings):
        parts = [show(each, library).html for each in one.findings]
        return Shown(f"<p><b>{escape(one.summary.headline)}</b></p>{''.join(parts)}")
    if isinstance(one, GapFinding):
        facts = {"share of production": wording.percent(one.share_of_production), "action": one.action}
        title = f"{wording.gap_title(one)}, {one.verdict}"
        return Shown(f"{_head(one.id, title)}<p>{escape(one.statement)}</p>{table_html(facts)}")
    facts = {
        name: wording.score(getattr(one, name)) for name in ("reliance", "irrelevance", "artefact_score")
    } | {"q": wording.probability(one.q_value)}
    title = f"{wording.VERDICTS[one.verdict].name}: facet {one.facet} of {one.feature}"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in one.reasons)
    crops = _crops(one, library)
    return Shown(
        f"{_head(one.id, title)}<p>{escape(wording.statement(one))}</p>{crops}<ul>{reasons}</ul>"
        f"{table_html(facts)}"
    )


def _head(id_: str, title: str) -> str:
    return f"<h4><code>{escape(id_)}</code> {escape(title)}</h4>"


def _crops(one: Assessment, library: Library | None) -> str:
    ranked = sorted(one.entries, key=lambda ref: -ref.activation)
    ids = [ref.id for ref in ranked if ref.id][:_CROPS]
    if library is None or not ids:
        return ""
    rows = library.query(ids=ids).table(["id", "crop"]).to_pylist()
    pictures = [crop_picture(row["crop"], row["id"]) for row in rows]
    drawn = [picture for picture in pictures if picture is not None]
    return f"<p>{picture_html(png(strip(drawn)), f'Strongest crops of {one.id}')}</p>" if drawn else ""
