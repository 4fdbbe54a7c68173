"""What can be said in an annotation, and how long it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from foveal.errors import UsageError
from foveal.library.schema import clean_text

Verdict = Literal["", "genuine", "artefact", "site-specific", "unsure"]
Kind = Literal["annotate", "undo", "assign", "reopen"]

#: Longest texts, in characters.
MOST: Mapping[str, int] = {
    "who": 200,
    "subject": 500,
    "name": 500,
    "code": 200,
    "second_reader": 200,
    "note": 20_000,
    "undoes": 64,
}


def clean(text: str, most: int | None = None) -> str:
    """Write a text as it is stored: what is no text is escaped, and no blanks around it.

    Raises
    ------
    UsageError
        If it is longer than `most` characters.
    """
    cleaned = clean_text(text).strip()
    if most is not None and len(cleaned) > most:
        raise UsageError(
            f"A text of {len(cleaned):,} characters is too long here: {cleaned[:40]!r}",
            f"Shorten it to {most:,} characters",
        )
    return cleaned
