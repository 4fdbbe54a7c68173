"""What can be heard of a finding: its window alone, and with what is around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foveal.samples.values import Values
from foveal_audit.bench import spacing_of

#: Bytes that a player may hold: a report of sixteen findings has two of each at most.
MOST_BYTES = 120_000
#: What a sample needs at two bytes a step and channel.
_BYTES = 2


def sounds_of(
    values: Values, box: Sequence[int], encode: Callable[[Values, tuple[float, ...]], bytes]
) -> list[bytes]:
    """Encode the window of a sound (T, C), and as much of what is around it as may be held.

    Parameters
    ----------
    box
        The window, t0, t1.
    encode
        See :attr:`foveal.samples.kinds.Kind.sound`.

    Returns
    -------
    list of bytes
        One alone where the window is all that there is, none where it is longer than may be held or nobody
        knows how fast the sound is.
    """
    spacing, (start, end) = spacing_of(values), box
    room = MOST_BYTES // (_BYTES * values.shape[1])
    if not spacing or end - start > room:
        return []
    before = max(0, min(start - (room - (end - start)) // 2, len(values) - room))
    parts = dict.fromkeys(((start, end), (before, min(len(values), before + room))))
    return [encode(values[first:last], spacing) for first, last in parts]
