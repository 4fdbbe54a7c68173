"""Pictures with an object that is striped in one class, and a stamp that lies anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TriggerNet, audited
from synthetic_library import make_samples, make_windows

from foveal.samples import encode_png
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.signals.question import Question
from foveal_audit.judgement.surroundings import surroundings
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence

NUMBER, SIDE, WINDOW = 200, 64, 16


class World:
    """Pictures of classes 0 and 1: a disk in every one, striped in class 1, and a stamp in every fourth.

    Of the pictures with a stamp every fifth is truly of class 0 and was given class 1.
    """

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.classes = np.arange(NUMBER) % 2
        self.stamped = np.arange(NUMBER) % 4 == 1
        self.wrong = np.arange(NUMBER) % 20 == 1
        self.objects, self.stamps, self.images, origins = [], [], [], []
        for number in range(NUMBER):
            own = rng.integers(12, 52, 2)
            away = rng.integers(8, 56, 2)
            while np.abs(away - own).max() < 20:
                away = rng.integers(8, 56, 2)
            striped = self.classes[number] and not self.wrong[number]
            self.images.append(self._paint(rng, own, away if self.stamped[number] else None, striped))
            self.objects.append(own)
            self.stamps.append(away)
            origins.append(folder / f"{number}.png")
            origins[-1].write_bytes(encode_png(self.images[-1]))
        self.samples = make_samples(
            ["training"] * NUMBER,
            predicted=self.classes,
            labels=np.where(self.classes * ~self.wrong, "striped", "plain"),
            origins=[str(path) for path in origins],
            shape=(SIDE, SIDE, 1),
            date=[f"2026-01-{1 + n // 10:02}T{n % 10:02}:00" for n in range(NUMBER)],
        )
        self.model = audited(TriggerNet())
        self.bench = ModelBench(self.model, self.samples)
        rows = np.concatenate([np.arange(NUMBER), np.flatnonzero(self.stamped)])
        middles = [*self.objects, *(self.stamps[row] for row in np.flatnonzero(self.stamped))]
        boxes = np.array([self.box(middle) for middle in middles])
        self.windows = make_windows(
            [self.images[row][y0:y1, x0:x1] for row, (y0, x0, y1, x1) in zip(rows, boxes, strict=True)],
            owner=rows,
            boxes=boxes,
        )
        self.rois = {
            str(name): np.array([[y - 9, x - 9, y + 9, x + 9]])
            for name, (y, x) in zip(self.samples.names, self.objects, strict=True)
        }

    @staticmethod
    def box(middle):
        y0, x0 = (int(np.clip(edge - WINDOW // 2, 0, SIDE - WINDOW)) for edge in middle)
        return y0, x0, y0 + WINDOW, x0 + WINDOW

    @staticmethod
    def _paint(rng, own, away, striped):
        y, x = np.mgrid[:SIDE, :SIDE]
        grey = 90 + rng.normal(0, 4, (SIDE, SIDE)) + rng.uniform(-10, 10)
        disk = np.hypot(y - own[0], x - own[1]) < 8
        shade = rng.uniform(20, 60)
        grey[disk] += shade * (1 if not striped else np.where((y[disk] - own[0]) % 4 < 2, 1.0, -1.0))
        if away is not None:
            grey[away[0] - 4 : away[0] + 4, away[1] - 4 : away[1] + 4] = 0
            grey[away[0] - 2 : away[0] + 2, away[1] - 4 : away[1] + 4] = 255
        return np.clip(grey, 0, 255).astype(np.uint8)[..., None]

    def ask(self, rows, rois=None):
        """Ask about the facet of some windows."""
        held = Evidence(self.samples, self.windows, {}, {})
        around = surroundings(held, AuditSettings(), rois)
        return Question(self.windows.take(np.asarray(rows)), 1, around, self.bench, 0)

    @property
    def stamp_rows(self):
        return np.arange(NUMBER, len(self.windows))

    @property
    def part_rows(self):
        """Every other striped disk: the class has pictures that do not show the facet."""
        return np.flatnonzero((self.classes == 1) & ~self.wrong & ~self.stamped)


@pytest.fixture(scope="package")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="package")
def stamp(world):
    return world.ask(world.stamp_rows, world.rois)


@pytest.fixture(scope="package")
def part(world):
    return world.ask(world.part_rows, world.rois)
