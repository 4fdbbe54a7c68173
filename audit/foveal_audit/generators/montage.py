"""A picture that shows generated variants above the real crops nearest to them."""

from __future__ import annotations

from itertools import product

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .crops import Crops
from .metrics import nearest_crops
from .pictures import Pictures, as_pictures, enlarge

COLUMNS, PAIRS = 8, 2
_TILES = {1: 128, 2: 64, 3: 102}  # pixels along the longer side, about, by the number of axes
_FRAME, _GAP, _LEGEND = 3, 6, 112
_PAPER, _INK = (255, 255, 255), (32, 32, 32)
#: Row title and frame colour; the colours stay apart for colour-blind eyes (Okabe & Ito 2008).
_ROWS = (("generated", (230, 159, 0)), ("nearest real", (0, 114, 178)))


def samples_montage(generated: Crops, library: Crops, originals: Crops | None = None) -> Image.Image:
    """Draw up to 16 generated crops, each above its nearest real crop by pixels.

    Parameters
    ----------
    generated
        (n, C, *s) in [0, 1].
    library
        (m, C, *s), the real crops; m >= 1.
    originals
        What to show of them, default the library itself.
    """
    shown = generated[: COLUMNS * PAIRS]
    nearest, _ = nearest_crops(shown, library)
    tiles = [_framed(shown, 0), _framed((library if originals is None else originals)[nearest], 1)]
    height, width = tiles[0].shape[1:3]
    step, rows = width + _GAP, -(-len(shown) // COLUMNS)
    pair = 2 * height + 3 * _GAP
    sheet = Image.new("RGB", (_LEGEND + COLUMNS * step, rows * pair + _GAP), _PAPER)
    for row, kind in product(range(rows), range(2)):
        top = row * pair + kind * (height + _GAP // 2) + _GAP
        _title(sheet, _ROWS[kind][0], top + height // 2)
        for column, tile in enumerate(tiles[kind][row * COLUMNS : (row + 1) * COLUMNS]):
            sheet.paste(Image.fromarray(tile), (_LEGEND + column * step, top))
    return sheet


def _framed(crops: Crops, kind: int) -> Pictures:
    pictures = enlarge(as_pictures(crops), _TILES[crops.ndim - 2])
    n, height, width, _ = pictures.shape
    framed = np.empty((n, height + 2 * _FRAME, width + 2 * _FRAME, 3), np.uint8)
    framed[:] = _ROWS[kind][1]
    framed[:, _FRAME:-_FRAME, _FRAME:-_FRAME] = pictures
    return framed


def _title(sheet: Image.Image, text: str, middle: int) -> None:
    ImageDraw.Draw(sheet).text((_GAP, middle), text, _INK, ImageFont.load_default(15), anchor="lm")
