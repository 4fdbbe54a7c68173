"""Whole samples behind crops: the file where it is there as it was, else what was kept, laid out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.archives import AuditedModel
from foveal.samples import read_image
from foveal.samples.colours import display
from foveal.samples.keeping import kept_values
from foveal.samples.values import Values
from foveal_audit.bench import Spaced, is_unchanged, reader_of
from foveal_audit.bundle.evidence import Crop, WholeSample
from foveal_audit.crop_pictures import whole_of
from foveal_audit.hearing_samples import sounds_of
from foveal_audit.mask_outlines import Outlining, outlining, unmarked
from foveal_audit.placing import placed_ref
from foveal_audit.windows import Samples, Windows

#: So many of the first crops have their whole sample, its longer side at most so long.
SHOWN, LONGEST = 2, 224
#: Where nothing was kept.
_GREY = 118
_PICTURE = 3


@dataclass(frozen=True)
class Reader:
    """How samples are read and heard.

    Attributes
    ----------
    read
        Gives what a sample's file holds.
    sound
        Gives what a browser plays of a part of a sample (T, C) and the size of its steps; None where samples
        are nothing to hear.
    outlined
        Draws what a segmentation network found in a picture.
    """

    read: Callable[[str], Values]
    sound: Callable[[Values, tuple[float, ...]], bytes] | None = None
    outlined: Outlining = unmarked

    @classmethod
    def of(cls, model: AuditedModel) -> Reader:
        """Read as the model's kind of samples is read; burnt-in text is hidden where that is asked for."""
        opened, hides_text = reader_of(model), model.config.keep.hides_text
        lined = outlining(model, LONGEST)
        return cls(lambda origin: kept_values(opened(origin), hide_text=hides_text), model.kind.sound, lined)


def _picture(origin: str) -> Values:
    return read_image(Path(origin))


#: Of pictures.
PICTURES = Reader(_picture)


def whole_samples(
    rows: Sequence[int], windows: Windows, samples: Samples, kept: Windows, reader: Reader = PICTURES
) -> list[WholeSample]:
    """Show the whole samples of the crops that a report shows first: those of training, then the others.

    Parameters
    ----------
    rows
        Positions of the crops in ``windows``, in their order.
    kept
        All windows that are known, for pictures whose file is gone.
    reader
        Reads the samples' files.

    Returns
    -------
    list of WholeSample
        Nothing of a trace or a volume whose file is gone.
    """
    training = samples.of("training")
    first = sorted(rows, key=lambda row: not training[windows.owner[row]])[:SHOWN]
    found = (_BY_AXES.get(windows.axes, _drawn)(row, windows, samples, kept, reader) for row in first)
    return [one for one in found if one is not None]


def _is_there(owner: int, samples: Samples) -> bool:
    return is_unchanged(samples.origins[owner], samples.sha256[owner])


def _whole(row: int, windows: Windows, samples: Samples, kept: Windows, reader: Reader) -> WholeSample | None:
    owner = int(windows.owner[row])
    there, shape, box = _is_there(owner, samples), samples.shapes[owner], windows.boxes[row].tolist()
    if len(shape) != _PICTURE or min(shape) <= 0:
        return None
    y0, x0, y1, x1 = (edge / side for edge, side in zip(box, (*shape[:2], *shape[:2]), strict=True))
    found = ""
    if there:
        values, found = reader.outlined(reader.read(str(samples.origins[owner])))
    return WholeSample(
        picture=_reduced(values) if there else _laid_out(row, windows, kept, shape),
        frame=(y0, x0, y1, x1),
        ref=placed_ref(windows, row, samples),
        kept_only=not there,
        found=found,
    )


def _drawn(
    row: int, windows: Windows, samples: Samples, _kept: Windows, reader: Reader
) -> WholeSample | None:
    """Draw a trace or a volume; None where its file is gone."""
    owner, box = int(windows.owner[row]), windows.boxes[row].tolist()
    if not _is_there(owner, samples):
        return None
    values = Spaced.of(reader.read(str(samples.origins[owner])), samples.spacing(owner) or ())
    picture, frame = whole_of(values, box, LONGEST)
    heard = () if reader.sound is None else sounds_of(values, box, reader.sound)
    ref, sides = placed_ref(windows, row, samples), values.shape[:-1]
    return WholeSample(picture, frame, ref, sounds=heard, sides=sides)


_BY_AXES = {2: _whole}


def _reduced(pixels: Values) -> Crop:
    image = Image.fromarray(display(pixels))
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _laid_out(row: int, windows: Windows, kept: Windows, shape: Sequence[int]) -> Crop:
    """Put what was kept of a sample where it was seen, the strongest evidence and the crop itself on top."""
    scale = min(1.0, LONGEST / max(shape[:2]))
    height, width = (max(1, round(side * scale)) for side in shape[:2])
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    own = np.flatnonzero(kept.owner == windows.owner[row])
    for place in own[np.argsort(kept.share[own], kind="stable")]:
        _lay(canvas, kept.crop(int(place)), kept.boxes[place].tolist(), scale)
    _lay(canvas, windows.crop(row), windows.boxes[row].tolist(), scale)
    return canvas


def _lay(canvas: NDArray[np.uint8], crop: Values, box: Sequence[int], scale: float) -> None:
    """Lay a crop onto a part of the canvas; what sticks out is cut off."""
    y0, x0, y1, x1 = (round(edge * scale) for edge in box)
    size = (max(1, x1 - x0), max(1, y1 - y0))
    fitted = np.asarray(Image.fromarray(display(crop)).resize(size, Image.Resampling.BOX))
    part = canvas[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    part[...] = fitted[max(0, -y0) :, max(0, -x0) :][: part.shape[0], : part.shape[1]]
