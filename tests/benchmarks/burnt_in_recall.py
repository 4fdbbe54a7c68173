"""How much burnt-in text is found, and what is covered without need.

Prints a table: real ultrasound (pydicom's examples, lines marked by hand), and text drawn into CT, MR and,
where `--pictures FOLDER` names some, other pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "networks"))

from burnt_in_text import LINES, clean_pictures, drawn, found_lines, ink, ultrasound

from foveal.samples.medical.burnt_in import text_mask
from foveal.samples.pictures import decode_picture


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder of pictures without text")
    parser.add_argument("--fonts", nargs="*", default=[], help="TrueType files; Pillow's own font otherwise")
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    asked = parser.parse_args()
    say("| picture | lines found | ink covered | picture covered | CPU ms |\n|---|---|---|---|---|")
    for name, lines in LINES.items():
        say_real(name, lines)
    pictures = clean_pictures()
    if asked.pictures:
        for path in sorted(asked.pictures.glob("*.jpg"))[::20]:
            pictures[path.name] = decode_picture(path.read_bytes(), path.name).values
    say_drawn(pictures, asked)
    shares = [text_mask(values).mean() for values in pictures.values()]
    say(f"\n{len(shares)} pictures without drawn text: {np.mean(shares):.4f} covered on average, "
          f"{max(shares):.4f} at most, nothing in {np.mean(np.equal(shares, 0)):.0%}")  # fmt: skip


def say_real(name, lines):
    values = ultrasound(name)
    start = time.process_time()
    mask = text_mask(values)
    spent = time.process_time() - start
    strokes = np.any([ink(values, line) for line in lines], axis=0)
    covered = (strokes & mask).sum() / strokes.sum()
    found = f"{found_lines(mask, values, lines)} of {len(lines)}"
    say(f"| {name} | {found} | {covered:.3f} | {mask.mean():.3f} | {1000 * spent:.0f} |")


def say_drawn(pictures, asked):
    by_size = defaultdict(list)
    for values, strokes, size in drawn(pictures, asked.number, asked.seed, fonts=asked.fonts):
        by_size[size].append((text_mask(values) & strokes).sum() / strokes.sum())
    say("\n| size of text | drawn | found (90 % of the ink) | ink covered |\n|---|---|---|---|")
    everything = [one for several in by_size.values() for one in several]
    for size, shares in [*sorted(by_size.items()), ("all", everything)]:
        found = np.mean(np.greater_equal(shares, 0.9))
        say(f"| {size} | {len(shares)} | {found:.3f} | {np.mean(shares):.3f} |")


if __name__ == "__main__":
    main()
