"""Samples whose channels the model does not take: found before their crops are laid beside others."""

from __future__ import annotations

import numpy as np

from foveal.errors import UsageError
from foveal.samples.kinds import Transform
from foveal_audit.bundle.summary import plural
from foveal_audit.windows import Samples

#: Channels are told from this much of a picture or volume; a trace may have to fill a spectrogram.
_SIDE = 8


def require_channels(samples: Samples, transform: Transform, library: str) -> None:
    """Refuse a library that holds samples with other channels than the model takes.

    Only samples of different numbers of channels raise the question: those of one number were all observed.

    Parameters
    ----------
    samples
        What was observed, with the shapes that were written down.
    transform
        The model's preprocessing, which may make grey of colour and colour of grey.
    library
        Its name.

    Raises
    ------
    UsageError
        If the model's preprocessing takes one of the numbers of channels and not another; names a sample.
    """
    first = {shape[-1]: row for row, shape in reversed(list(enumerate(samples.shapes)))}
    for channels, row in first.items() if len(first) > 1 else ():
        try:
            transform(_blank(samples.shapes[row]), str(samples.names[row]))
        except UsageError as error:
            source = str(samples.sources[row])
            alike = plural(sum(shape[-1] == channels for shape in samples.shapes), "such sample")
            raise UsageError(
                f"{error.fault}, and library {library!r} holds {alike}",
                f"Erase what was observed so (foveal library erase {library} --source {source} "
                "--before DATE), and observe it again with this version",
            ) from error


def _blank(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Give a sample of the same channels; full scale, so that alpha hides nothing."""
    *sides, channels = shape
    kept = sides if len(sides) == 1 else [min(side, _SIDE) for side in sides]
    return np.full((*kept, channels), 255, np.uint8)
