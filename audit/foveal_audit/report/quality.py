"""How good a generator is, in a few sentences; the whole of its card lies beside it in the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from foveal_audit.bundle.summary import plural
from foveal_audit.report.wording import percent


def quality(card: Mapping[str, Any]) -> list[str]:
    """Say how good a generator is; what its card does not hold is left out.

    Parameters
    ----------
    card
        See :class:`foveal_audit.generators.card.QualityCard`.
    """
    said = [make(card[name]) for name, make in _FIGURES.items() if card.get(name) is not None]
    return [one for one in said if one] + [str(note) for note in card.get("notes", ())]


def _excites(shares: Mapping[str, float]) -> str:
    relative = shares.get("relative")
    if relative is None:
        return ""
    return f"They excite the unit {relative:.2g} times as often as real crops do."


#: What is said of which figure of the card, in this order.
_FIGURES: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "n_train": lambda count: f"Learned from {plural(count, 'crop')}.",
        "coverage": lambda share: f"The variants cover {percent(share)} of crops that were held out.",
        "c2st": lambda share: (
            f"A classifier tells them from real ones in {percent(share)} of cases (chance: 50%)."
        ),
        "activation": _excites,
        "copies": lambda share: f"{percent(share)} of them look like a crop it learned from.",
        "memorised": lambda yes: "It memorised its crops, so its pictures are not shown." if yes else "",
    }
)
