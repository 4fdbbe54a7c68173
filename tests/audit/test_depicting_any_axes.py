"""Generators and pictures of traces and volumes: from a library that was collected to exact frames."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import planted_traces
import planted_volumes
import pytest
from opened_frames import open_frames
from ready_stores import ready_store

from foveal.archives import AuditedModel
from foveal.collecting import collect
from foveal.library import Library
from foveal_audit.charts import lane_height
from foveal_audit.depicting import Drawn, draw_generator, facet_evidence, gap_evidence
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.settings import AuditSettings
from foveal_audit.units.unit import Unit
from foveal_audit.whole_samples import Reader
from foveal_audit.windows import Samples, read_evidence

pytestmark = pytest.mark.slow
#: The module, what writes its samples, how many, and the node that answers to the second class.
WORLDS = {
    "traces": (planted_traces, "write_traces", 44, "relu2:1"),
    "volumes": (planted_volumes, "write_volumes", 44, "fc1:1"),
}
#: Height and width of a crop's picture, and sides of the sliders' tile.
SHOWN = {
    "traces": ((2 * lane_height(2), 128), [2, 64]),
    "volumes": ((8 + 2 + 8, 8 + 2 + 8), [16 + 2 + 16, 16 + 2 + 16]),
}


@dataclass
class World:
    kind: str
    library: Library
    model: AuditedModel
    samples: Samples
    facet: Facet
    drawn: Drawn
    folder: Path


@pytest.fixture(scope="module", params=list(WORLDS))
def world(request, tmp_path_factory):
    """A library of traces or volumes, its model, the windows of the second class and their generator."""
    planted, write, number, node = WORLDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    library, model = Library("toy", ready_store(folder / "mlflow.db")), planted.model()
    collect(model, getattr(planted, write)(folder, "training", number, 0), "training", library)
    evidence = read_evidence(library, model.sha256)
    settings = AuditSettings(generator_kind="pca-gmm")
    layer, index = node.split(":")
    unit, every = Unit(node, layer, (int(index),), local=False), evidence.contribution
    windows = every.take(evidence.samples.predicted[every.owner] == 1)
    drawn = draw_generator(windows, evidence.samples, model, settings, unit)
    drawn.write(folder / "generator")
    return World(request.param, library, model, evidence.samples, Facet(unit, 0, windows), drawn, folder)


def test_crops_become_pictures_with_their_maps_and_the_whole_sample(world):
    windows = world.facet.windows
    (one,) = assess([Judged(world.facet, 0, {}, None, None, None)], world.samples, "f" * 64, (), 0)
    shown = facet_evidence(one, windows, world.samples, world.drawn, windows, Reader.of(world.model))
    picture, tile = SHOWN[world.kind]
    assert len(shown.crops) == 12
    assert {crop.shape for crop in (*shown.crops, *shown.generated)} >= {(*picture, 3)}
    assert {map_.ndim for map_ in shown.maps} == {2}
    assert len(shown.whole) == 2
    assert shown.lattice["side"] == tile
    assert shown.lattice.get("lanes") == (2 if world.kind == "traces" else None)
    assert len(shown.generated) == len(shown.nearest) > 0


def test_the_card_holds_the_unit_and_what_the_network_makes_of_pasted_crops(world):
    card = json.loads((world.folder / "generator" / "card.json").read_text())
    span = world.facet.windows.span
    assert (card["span"]["low"], card["span"]["high"]) == (list(span.low), list(span.high))
    assert card["activation"]["real"] > 0
    assert card["c2st"] is not None
    assert world.drawn.learned.generator.span == span


def test_frames_answer_with_real_crops_and_what_the_model_says(world):
    frames = open_frames(world.folder / "generator", world.facet.unit.name, world.library, world.model)
    frame = frames.drawn(3)
    assert frame.activation.low < frame.activation.high
    assert len(frame.nearest) == 3
    assert all(near.distance < 0.5 for near in frame.nearest)
    assert frames.crop(0).startswith(b"RIFF")


def test_a_gap_is_shown_with_what_is_nearest(world):
    windows = world.facet.windows
    found = SimpleNamespace(windows=np.array([0, 1]), nearest=np.array([2, 3]))
    shown = gap_evidence(None, found, windows, world.samples, Reader.of(world.model))
    assert {crop.shape for crop in (*shown.crops, *shown.nearest)} == {(*SHOWN[world.kind][0], 3)}
    assert len(shown.whole) == 2
