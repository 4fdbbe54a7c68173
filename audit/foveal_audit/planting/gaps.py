"""What production may have beyond training: gaps, and what only looks like one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Part of training that shows an under-represented subtype, where production asks for far more of it.
SELDOM = 0.005


@dataclass(frozen=True)
class GapKind:
    """How the samples of a gap are made.

    Attributes
    ----------
    scene
        ``strange``: the task's strange subtype; ``joined``: a subtype and a background that training shows
        apart; ``other``: a picture of another task; ``usual``: a scene like all others.
    styled
        Taken by a camera that training never saw.
    trained
        Part of training that shows it all the same.
    expected
        The kinds of finding that name it rightly.
    exemplars
        Whether an expert can show what is missing.
    """

    scene: Literal["strange", "joined", "other", "usual"]
    expected: tuple[str, ...] = ("uncovered_group",)
    styled: bool = False
    trained: float = 0.0
    exemplars: bool = False


GAPS: dict[str, GapKind] = {
    "removed": GapKind("strange"),
    "under-represented": GapKind("strange", ("under_represented", "uncovered_group"), trained=SELDOM),
    "conjunction": GapKind("joined", ("conjunction", "uncovered_group")),
    "concept": GapKind("strange", ("missing_concept", "uncovered_group"), exemplars=True),
    "style": GapKind("usual", styled=True),
    "intruders": GapKind("other"),
}

#: Harmless differences of production; a group found there is found wrongly.
DECOYS: dict[str, str] = {
    "prior": "one class is far more frequent",
    "duplicates": "some samples come several times",
    "jitter": "slight compression and changes of brightness",
    "more-rare": "more of a subtype that training covers",
}
