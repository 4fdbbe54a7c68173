"""A bench whose answers are known by hand: its model looks at one patch of a picture and at nothing else."""

from __future__ import annotations

import numpy as np

from foveal_audit.judgement.places import Placed
from foveal_audit.units.unit import Unit

#: The facet's windows, and inside them what the model looks at, clear of the border that fades.
BOX, LOOKED_AT = (2, 2, 18, 18), (6, 6, 14, 14)
UNIT = Unit("contribution:0", "conv", (0,), local=True)


def logits_of(p):
    """Turn chances of class 1 (n,) into centred logits of two classes (n, 2)."""
    sure = np.clip(np.asarray(p, dtype=float), 1e-9, 1 - 1e-9)
    half = np.log(sure / (1 - sure)) / 2
    return np.stack([-half, half], axis=1)


class PatchBench:
    """Class 1 has the mean of one patch, scaled to 0 to 1, as its probability; half the samples show it."""

    def __init__(self, box=LOOKED_AT, shapes=((32, 32, 1),), shown=40, passes_unit=1.0):
        rng = np.random.default_rng(0)
        self.box, self.passes_unit = box, passes_unit
        self.asked = 0
        self.samples = []
        for number in range(80):
            image = rng.integers(0, 3, shapes[number % len(shapes)], dtype=np.uint8)
            if number < shown:
                image[BOX[0] : BOX[2], BOX[1] : BOX[3]] = 255
            self.samples.append(image)

    def pixels(self, sample):
        return self.samples[sample]

    def chance(self, samples):
        y0, x0, y1, x1 = self.box
        return np.array([one[y0:y1, x0:x1].mean() / 255 for one in samples])

    def logits(self, samples):
        self.asked += len(samples)
        return logits_of(self.chance(samples))

    def logits_held(self, changed, clean, windows, unit):
        now, before = self.chance(changed), self.chance(clean)
        return logits_of(self.passes_unit * before + (1 - self.passes_unit) * now)


FACET = [Placed(number, BOX, (BOX,)) for number in range(40)]
HOSTS = list(range(40, 80))
