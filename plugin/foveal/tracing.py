"""Trace ids of requests: W3C's ``traceparent`` header, read strictly, without any tracing library.

Standard library only: the serving worker imports this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HEADER = "traceparent"

#: version - trace id - parent id - flags; only later versions than 00 may go on after the flags.
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[\x20-\x7e]*)?")
_LONGEST = 512


def trace_id(headers: Mapping[str, object]) -> str | None:
    """Read the trace id out of a request's headers.

    Parameters
    ----------
    headers
        By their names, in any spelling; values that are no text are passed over.

    Returns
    -------
    str or None
        32 lower-case hexadecimal digits; None where there is no valid header, or more than one.
    """
    found = [value for name, value in headers.items() if name.lower() == HEADER]
    return parse_traceparent(found[0]) if len(found) == 1 else None


def parse_traceparent(value: object) -> str | None:
    """Read the trace id out of a ``traceparent``; None where the standard calls it invalid."""
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value[: _LONGEST + 1]).decode("latin-1")
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    form = _FORM.fullmatch(value.strip(" \t"))
    if form is None or not _allowed(*form.groups()):
        return None
    return form[2]


def _allowed(version: str, trace: str, parent: str, rest: str | None) -> bool:
    """Apply what the form alone does not say: no version ff, no zeros, nothing more in version 00."""
    zeros = not trace.strip("0") or not parent.strip("0")
    return version != "ff" and not zeros and (version != "00" or rest is None)
