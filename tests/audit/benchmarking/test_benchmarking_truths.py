"""The truth as it is read."""

import json

import numpy as np
import pytest

from foveal_audit.benchmarking.truths import read_planted
from foveal_audit.planting.masks import encode_mask


@pytest.fixture
def planted(tmp_path):
    """Write a truth with a relied mark; how its network learned is given."""

    def write(learning):
        factor = {
            "factor": "mark 0",
            "role": "artefact",
            "kind": "logo",
            "relied": True,
            "effects": [0.0, 1.0, 0.0],
        }
        mask = np.zeros((64, 64), dtype=bool)
        mask[3:9, 4:8] = True
        sample = {"source": "training", "outcome": 1, "gap": None, "masks": {"mark 0": encode_mask(mask)}}
        samples = {
            "t/0.png": sample,
            "t/1.png": {**sample, "masks": {}, "gap": 0},
            "p/0.png": {**sample, "source": "production", "masks": {}, "gap": 0},
        }
        content = {
            "case": {"learning": learning},
            "outcomes": ["a", "b", "c"],
            "accuracy": 0.9,
            "factors": [factor],
            "gaps": [{"kind": "removed"}],
            "samples": samples,
        }
        (tmp_path / "truth.json").write_text(json.dumps(content))
        return read_planted(tmp_path / "truth.json")

    return write


LEARNED = {"usual": True, "debiased": True, "permuted": False, "none": False}


@pytest.mark.parametrize("learning", LEARNED)
def test_what_never_learned_relies_on_nothing(planted, learning):
    truth = planted(learning)
    assert truth.is_clean != LEARNED[learning]
    assert [factor.relied for factor in truth.factors] == [LEARNED[learning]]


def test_members_masks_and_prevalence(planted):
    truth = planted("usual")
    assert truth.gap_members(0) == {"p/0.png"}
    assert truth.samples["t/0.png"].extents["mark 0"].mask.sum() == 24
    assert truth.prevalence("mark 0", 1) == pytest.approx(1 / 3)
    assert truth.prevalence("mark 0", 2) == 0
