"""The explorer's templates: its own, and the parts that it shares with the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, urlencode

from jinja2 import Environment

from foveal.library.annotations import Event
from foveal_audit.report import page
from foveal_audit.report.bars import percent_classes

_HERE = Path(__file__).parent
_REPORT = Path(page.__file__).parent
#: Experts' verdicts by their key, and what each means for a facet and for a gap.
SAYINGS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "1": ("genuine", "belongs to what the class means", "a real gap: acquire"),
        "2": ("artefact", "has nothing to do with the task", "no gap: an effect of the audit"),
        "3": ("site-specific", "comes from where or how it was recorded", "matters at some sites only"),
        "4": ("unsure", "looked at, not decided", "looked at, not decided"),
        "5": ("", "take my verdict back", "take my verdict back"),
    }
)


def render(template: str, /, **context: object) -> str:
    """Fill a template in; everything from the data is escaped."""
    return _environment().get_template(template).render(**context)


def quoted(text: str) -> str:
    """Write a text as one part of an address's path."""
    return quote(text, safe="", errors="backslashreplace")


def link(path: str, **parameters: object) -> str:
    """Write an address of the explorer."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return path + (f"?{urlencode(given, errors='backslashreplace')}" if given else "")


@lru_cache(maxsize=1)
def style() -> str:
    """Give the report's style sheet with the explorer's own behind it."""
    report = (_REPORT / "style.css").read_text("utf-8") + percent_classes()
    return report + (_HERE / "static" / "explorer.css").read_text("utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    filters = {"segment": quoted, "brief": _brief}
    return page.environment([_HERE / "templates"], filters=filters, link=link, sayings=SAYINGS)


def _brief(event: Event) -> str:
    """Say what an event says, in one line."""
    if event.kind == "undo":
        return f"undoes {event.undoes[:12]}"
    parts: list[str] = [event.verdict or "no verdict"]
    parts += [f"\u201c{event.name}\u201d"] if event.name else []
    parts += [f"code {event.code}"] if event.code else []
    parts += [f"confidence {event.confidence:g}"] if event.confidence is not None else []
    parts += [f"asks {event.second_reader}"] if event.second_reader else []
    parts += [f"note: {event.note}"] if event.note else []
    return ", ".join(parts)
