"""Outlines of what a segmentation network found, on the whole pictures that a report shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from foveal.archives import AuditedModel
from foveal.samples.values import Values, axes_of
from foveal.segmenting.network import Segmenter
from foveal.segmenting.outlines import in_words, masks_of, painted
from foveal_audit.bench import spacing_of

#: A sample with outlines on it, and what was found in words; the sample itself and nothing without masks.
Outlining: TypeAlias = Callable[[Values], tuple[Values, str]]

_PICTURE = 2


def unmarked(values: Values) -> tuple[Values, str]:
    """Leave a sample as it is."""
    return values, ""


def outlining(model: AuditedModel, longest: int) -> Outlining:
    """Give what draws a segmentation network's masks onto pictures.

    Parameters
    ----------
    longest
        Side to which small pictures are enlarged, by a whole factor, so that the lines are thin on them.
    """
    if not isinstance(model.module, Segmenter):
        return unmarked

    def outlined(values: Values) -> tuple[Values, str]:
        if axes_of(values) != _PICTURE:
            return unmarked(values)
        spacing = spacing_of(values)
        x, frame = model.transform(values, "", spacing)[None], model.transform.frame(values.shape, spacing)
        masks = masks_of(model.module, x, frame, values.shape, model.labels)
        if masks is None:
            return unmarked(values)
        zoom = max(1, longest // max(values.shape[:_PICTURE]))
        return painted(values, masks, zoom), in_words(masks)

    return outlined
