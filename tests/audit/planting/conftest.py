"""Every task's subtypes and every kind of mark as small pictures; run this file to renew the golden ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal_audit.planting.chance import Chance
from foveal_audit.planting.marks.kinds import KINDS, Look
from foveal_audit.planting.marks.placing import PLACINGS
from foveal_audit.planting.tasks import TASKS


def _tile(pixels):
    """Shrink an image (64, 64, C) in 0 to 1 to bytes (16, 16, 3)."""
    colour = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    small = np.clip(colour, 0, 1).reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    return (small * 255).round().astype(np.uint8)


def tasks_montage():
    """Lay out a row per task and a column per subtype."""
    rows = [
        [_tile(task.paint(Chance(7, "golden", 0), kind.factors, "free").pixels) for kind in task.subtypes]
        for task in TASKS.values()
    ]
    return np.vstack([np.hstack(row) for row in rows])


def kinds_montage():
    """Lay out a row per kind and a column per task, every placing in turn."""
    placings = list(PLACINGS)
    rows = []
    for kind in KINDS:
        row = []
        for number, task in enumerate(TASKS.values()):
            scene = task.paint(Chance(7, "golden", number), task.subtypes[1].factors, "free")
            look, rng = Look(kind, placings[number % len(placings)]), Chance(7, "golden", number).of("mark")
            row.append(_tile(look.put(rng, np.clip(scene.pixels, 0, 1), scene.centre)[0]))
        rows.append(np.hstack(row))
    return np.vstack(rows)


@pytest.fixture
def montages():
    """Give the montages by name."""
    return {"tasks": tasks_montage, "kinds": kinds_montage}


if __name__ == "__main__":
    folder = Path(__file__).with_name("golden")
    folder.mkdir(exist_ok=True)
    for name, montage in (("tasks", tasks_montage), ("kinds", kinds_montage)):
        Image.fromarray(montage()).save(folder / f"{name}.png", optimize=True)
