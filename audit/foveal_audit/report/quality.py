"""How good a generator is, in a few sentences; the whole of its card lies beside it in the bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from foveal_audit.bundle.summary import plural
from foveal_audit.nouns import PICTURE, say
from foveal_audit.report.wording import percent


def quality(card: Mapping[str, Any], axes: int = PICTURE) -> list[str]:
    """Say in a line or two how good a generator is; all figures are in its card in the bundle.

    Parameters
    ----------
    card
        See :class:`foveal_audit.generators.card.QualityCard`.
    axes
        Of the samples.
    """
    if card.get("memorised"):
        return [say("It memorised its crops, so its pictures are not shown.", axes)]
    said = [say(make(card[name]), axes) for name, make in _FIGURES.items() if card.get(name) is not None]
    warned = bool(card.get("notes"))
    if not said:
        return ["A sketch; its card.json says why."] if warned else []
    crops = f", learned from {plural(card['n_train'], 'crop')}" if card.get("n_train") else ""
    line = f"{'A sketch' if warned else 'Usable'}{crops}: {', '.join(said)}."
    return [line, "Warnings: card.json."] if warned else [line]


#: What is said of which figure of the card, in this order.
_FIGURES: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "coverage": lambda share: f"it covers {percent(share)} of crops that were held out",
        "c2st": lambda share: f"a classifier tells its pictures from real ones in {percent(share)} of cases",
        "copies": lambda share: f"{percent(share)} are near-copies of a crop it learned from",
    }
)
