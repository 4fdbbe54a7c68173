"""Where each part of the report is asked for: pointers for those who file it, never a statement about a duty.

The clause numbers were collected second hand and are to be checked against the official texts.
"""

from __future__ import annotations

from typing import NamedTuple

from foveal_audit.report.sections import NUMBERS


class Row(NamedTuple):
    """A part of the report, and the places that ask for such evidence."""

    part: str
    ai_act: str
    gmlp: str
    iso_42001: str


#: Names in braces stand for the numbers of sections.
_ROWS: tuple[Row, ...] = (
    Row("The model: name, hash, classes, environment ({appendix})", "Annex IV 1, 2(b), 2(c); Art. 11",
        "device and model description; P1, P2", "A.6.2.7"),
    Row("The library: samples, shards, their hashes ({appendix})", "Annex IV 2(d); Art. 10(2)(b), 10(2)(c)",
        "data management; P3, P4", "A.7.2 to A.7.6"),
    Row("Every facet examined, with examples ({facets})", "Annex IV 2(b), 2(e); Art. 13(3), 14",
        "transparency; P7, P9", "A.8.2"),
    Row("Artefacts: claim, experiments, error rate, what speaks against it ({artefacts})",
        "Art. 9, 10(2)(f), 10(2)(g), 15(4)", "risk assessment, known biases", "A.5.4, 6.1.2"),
    Row("Training-set gaps and the worklist ({gaps})", "Art. 10(2)(h), 10(3), 10(4)",
        "representativeness; P3", "A.7.4"),
    Row("What was not examined, and what would be missed ({unexamined}, {appendix})",
        "Art. 13(3)(b)(ii), 13(3)(b)(iii), 15",
        "labelling, known limitations", "\u2013"),
    Row("How often the audit itself errs ({unexamined})", "Annex IV 2(g), 4", "validation", "A.6.2.4"),
    Row("Decisions: remedy, risk that remains ({signoff})", "Annex IV 2(f), 6; Art. 9", "P10", "A.6.2.5"),
    Row("Signatures ({signoff})", "Annex IV 2(g); Art. 14, 17", "quality system", "9.2"),
)  # fmt: skip

MAPPING: tuple[Row, ...] = tuple(row._replace(part=row.part.format_map(NUMBERS)) for row in _ROWS)
