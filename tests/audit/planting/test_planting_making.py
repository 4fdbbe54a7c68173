"""Cases on disk."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foveal.archives import load_model
from foveal.samples import read_image
from foveal_audit.comparing.truth import read_truth
from foveal_audit.planting.case import Case, Gap, Mark, Sizes
from foveal_audit.planting.drawing import draw, plan_sample
from foveal_audit.planting.learning import load_network, prepared, trained_weights
from foveal_audit.planting.making import box_of, make_case
from foveal_audit.planting.marks.kinds import Look
from foveal_audit.planting.masks import decode_mask, encode_mask

CASE = Case(
    "small",
    "textile",
    "mobile",
    1,
    marks=(Mark(Look("marker"), "site~class"),),
    gaps=(Gap("concept", 0.2),),
    sizes=Sizes(training=48, production=20, oracle=16, epochs=1),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        make_case(CASE, folder / "inputs", folder / "truth")
        yield folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_the_same_case_gives_the_same_bytes(made, tmp_path, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    make_case(CASE, tmp_path / "inputs", tmp_path / "truth")
    assert contents(tmp_path / "truth") == contents(made / "truth")
    before, again = (contents(folder / "inputs") for folder in (made, tmp_path))
    assert before.keys() == again.keys()
    assert all(
        before[name] == again[name] for name in before if name != "model.mar"
    )  # a zip has its own times
    shas = [
        load_model(str(folder / "inputs" / "model.mar"), environ={}).sha256 for folder in (made, tmp_path)
    ]
    assert shas[0] == shas[1]


def test_the_truth_is_not_among_what_the_audit_gets(made):
    names = contents(made / "inputs")
    assert not any("truth" in name for name in names)
    assert not any(word in names["training-C.csv"] for word in (b"gap", b"mark", b"strange"))


def test_tiers_differ_in_their_columns(made):
    def header(tier):
        with (made / "inputs" / f"training-{tier}.csv").open() as stream:
            return next(csv.reader(stream))

    assert [header(tier) for tier in "ABC"] == [["path"], ["path", "label"], ["path", "label", "site"]]


def test_the_truth_names_every_sample_with_its_masks(made):
    truth = json.loads((made / "truth" / "truth.json").read_text())
    assert len(truth["samples"]) == 68
    for index in (0, 7, 30):
        plan = plan_sample(CASE, "training", index)
        drawn, told = draw(CASE, plan), truth["samples"][f"training/{index:05d}.png"]
        assert np.array_equal(read_image(made / "inputs" / f"training/{index:05d}.png"), drawn.pixels)
        assert (told["outcome"], told["site"]) == (plan.outcome, plan.site)
        assert ("mark 0" in told["masks"]) == plan.marks[0]
        assert all(
            np.array_equal(decode_mask(told["masks"][name]), mask) for name, mask in drawn.core.items()
        )


def test_regions_and_concepts_are_readable(made):
    regions = read_truth(made / "inputs" / "rois.csv")
    assert regions("training/00000.png", (64, 64)).any()
    assert {path.name for path in (made / "inputs" / "concepts").iterdir()} == {
        "whole",
        "stitches",
        "knot",
        "hole",
    }


def test_a_network_is_trained_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path))
    images = np.stack([draw(CASE, plan_sample(CASE, "training", index)).pixels for index in range(8)])
    labels = np.arange(8, dtype=np.int64) % 3
    first = trained_weights("mobile", images, labels, epochs=0, seed=0)
    stamp = first.stat().st_mtime_ns
    assert trained_weights("mobile", images, labels, epochs=0, seed=0) == first
    assert first.stat().st_mtime_ns == stamp
    others = [
        trained_weights("mobile", images, labels, epochs=0, seed=1),
        trained_weights("mobile", images, (labels + 1) % 3, epochs=0, seed=0),
        trained_weights("patent", images, labels, epochs=0, seed=0),
    ]
    assert len({first, *others}) == 4
    assert load_network("mobile", first)(prepared(images)).shape == (8, 3)


@given(arrays(bool, (64, 64), elements=st.booleans()))
def test_masks_survive_as_text(mask):
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


def test_boxes_are_half_open():
    mask = np.zeros((64, 64), dtype=bool)
    mask[3:7, 10] = True
    assert box_of(mask) == (3, 10, 7, 11)
