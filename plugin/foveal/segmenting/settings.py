"""What an archive's settings say of a segmentation network; the serving worker imports this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from foveal.errors import UsageError, nearest
from foveal.segmenting.network import Segmenter

#: The key of the ``model`` section, and what its own section may hold.
SECTION = "segmentation"
_KEYS = ("background", "output")


def segmented(network: nn.Module, settings: Mapping[str, Any], *, whole: bool = False) -> nn.Module:
    """Put the façade before a segmentation network; give any other back as it is.

    Parameters
    ----------
    network
        The archive's own.
    settings
        The content of its ``model-config.yaml``; ``model: {segmentation: {background: 0, output: out}}``
        says that the network segments, which class stands for nothing found (``null``: none), and where in
        the network's output the logits are.
    whole
        See :class:`foveal.segmenting.network.Segmenter`.

    Raises
    ------
    UsageError
        If the section is not as described.
    """
    section = read_section(settings)
    return network if section is None else section.before(network, whole=whole)


@dataclass(frozen=True)
class Section:
    """What settings say of a segmentation network; see :func:`segmented`."""

    background: int | None = 0
    output: str | None = None

    def before(self, network: nn.Module, *, whole: bool = False) -> Segmenter:
        """Put the façade before a network."""
        return Segmenter(network, self.background, output=self.output, whole=whole)


def read_section(settings: Mapping[str, Any]) -> Section | None:
    """Read the section of a segmentation network; nothing where the settings do not say that it is one.

    Raises
    ------
    UsageError
        If the section is not as described.
    """
    model = settings.get("model")
    if not isinstance(model, Mapping) or SECTION not in model:
        return None
    section = model[SECTION] or {}
    if not isinstance(section, Mapping):
        raise UsageError(f"'segmentation' is {section!r} in the model section", "Write {background: 0}")
    for key in section:
        if key not in _KEYS:
            raise UsageError(f"Unknown key {key!r} in the segmentation section", nearest(str(key), _KEYS))
    return Section(_background(section), section.get("output"))


def _background(section: Mapping[str, Any]) -> int | None:
    background = section.get("background", 0)
    if background is None or (isinstance(background, int) and not isinstance(background, bool)):
        return background
    raise UsageError(f"The background is {background!r}", "Write the number of its class, or null for none")
