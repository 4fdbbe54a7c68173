"""Text in pictures whose place is known: in real ultrasound, and drawn into CT, MR and X-ray pictures."""

import numpy as np
from made_dicom import example
from PIL import Image, ImageDraw, ImageFont

from foveal.samples.pictures import decode_picture
from foveal.samples.volumes import decode_volume

_LYMPH_NODE = [
    (20, 26, 169, 39), (20, 42, 89, 55), (20, 58, 69, 71), (20, 74, 79, 87), (20, 90, 59, 103), (281, 42,
    358, 55),
    (500, 26, 619, 41), (549, 42, 619, 55), (529, 58, 619, 71), (569, 74, 619, 87), (560, 90, 619, 103),
    (9, 138, 39, 151), (9, 218, 39, 231), (599, 138, 629, 151), (599, 218, 629, 231), (249, 362, 299, 375),
    (319, 362, 359, 375), (400, 458, 619, 471),
]  # fmt: skip
#: Lines of text in pydicom's ultrasound examples, as x0, y0, x1, y1, marked by hand.
LINES = {
    "examples_jpeg2k.dcm": _LYMPH_NODE,
    "examples_rgb_color.dcm": [
        (x0 // 2, y0 // 2, (x1 + 1) // 2, (y1 + 1) // 2) for x0, y0, x1, y1 in _LYMPH_NODE
    ],
    "examples_palette.dcm": [
        (10, 8, 75, 22), (94, 9, 120, 23), (573, 9, 636, 23), (668, 9, 774, 24), (95, 36, 265, 50),
        (326, 36, 511, 53), (575, 36, 647, 50), (668, 36, 781, 50), (3, 67, 74, 81), (3, 86, 48, 100),
        (3, 105, 52, 119), (3, 124, 54, 138), (3, 162, 28, 176), (11, 184, 62, 198), (11, 203, 68, 217),
        (11, 222, 53, 236), (11, 241, 78, 256), (142, 87, 214, 103), (240, 87, 303, 101),
    ],
    "examples_ybr_color.dcm": [
        (12, 3, 29, 11), (2, 13, 37, 21), (2, 22, 8, 30), (301, 14, 317, 21), (301, 24, 316, 32), (305, 62,
        315, 70),
        (303, 70, 316, 78), (303, 80, 316, 88), (303, 89, 316, 97), (301, 119, 306, 126), (301, 132, 306,
        139),
        (287, 199, 297, 206), (59, 229, 74, 238), (104, 229, 110, 238), (136, 229, 158, 239), (176, 229,
        198, 239),
        (223, 229, 235, 239), (246, 229, 277, 240),
    ],
}  # fmt: skip
WORDS = (
    "DOE^JANE 1961-04-12", "ID 4471290", "St. Marien Hospital", "PORTABLE AP 14:32", "M 57Y", "Dr. K. Osei",
    "2026/03/09", "kV 120 mA 35", "Acc: X99-1204",
)  # fmt: skip
#: Pictures without text that pydicom brings.
CLEAN = ("693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm", "CT_small.dcm", "MR_small.dcm")


def ultrasound(name):
    """Give the first frame of an ultrasound example (H, W, 3)."""
    return decode_volume(example(name), name).values[0]


def clean_pictures():
    """Give pictures without text, by name."""
    return {name: decode_picture(example(name), name).values for name in CLEAN}


def ink(values, line):
    """Mark the strokes of a line of text: what differs from the line's rim by half of the most that does."""
    grey = values.astype(float).max(axis=2)
    x0, y0, x1, y1 = line
    part = grey[y0:y1, x0:x1]
    rim = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    differs = np.abs(part - np.median(rim))
    marked = np.zeros(grey.shape, bool)
    marked[y0:y1, x0:x1] = differs > 0.45 * differs.max()
    return marked


def found_lines(mask, values, lines, share=0.9):
    """Count the lines of which at least so much ink is covered."""
    strokes = [ink(values, line) for line in lines]
    return sum((one & mask).sum() >= share * one.sum() for one in strokes)


def drawn(pictures, number, seed=0, sizes=(8, 10, 12, 14, 18, 24, 32), fonts=()):
    """Draw text into pictures at random places and yield (picture, strokes, size).

    Text whose contrast with what lies below it is under a quarter of the picture's range is left out: people
    cannot read it either.
    """
    rng = np.random.default_rng(seed)
    names = [name for name in sorted(pictures) if min(pictures[name].shape[:2]) >= 100]
    made = 0
    while made < number:
        values = pictures[names[made % len(names)]].astype(np.float32)
        low, high = np.percentile(values, [1, 99.5])
        colour = [high * 1.15 - low * 0.15, low + 0.8 * (high - low), low][rng.integers(3)]
        size = int(rng.choice(sizes))
        font = _font(rng, fonts, size)
        strokes = _strokes(values.shape[:2], WORDS[made % len(WORDS)], font, rng)
        if strokes is None or abs(values[strokes > 0.5].mean() - colour) < 0.25 * (high - low):
            made += strokes is None  # too large for the picture: another one
            continue
        made += 1
        share = strokes[..., None]
        yield (values * (1 - share) + colour * share).astype(np.float32), strokes > 0.5, size


def _font(rng, fonts, size):
    return ImageFont.truetype(str(rng.choice(fonts)), size) if fonts else ImageFont.load_default(size)


def _strokes(shape, text, font, rng):
    layer = Image.new("L", shape[::-1])
    draw = ImageDraw.Draw(layer)
    width, height = draw.textbbox((0, 0), text, font=font)[2:]
    if width >= shape[1] - 4 or height >= shape[0] - 4:
        return None
    place = (int(rng.integers(2, shape[1] - width - 1)), int(rng.integers(2, shape[0] - height - 1)))
    draw.text(place, text, fill=255, font=font)
    return np.asarray(layer, np.float32) / 255
