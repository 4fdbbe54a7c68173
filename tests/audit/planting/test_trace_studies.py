"""Made traces and sounds: the same from the same seed, marks and labels as planned, files that read back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from foveal.samples.kinds import get_kind
from foveal.samples.listing import list_samples
from foveal_audit.studies.trace_network import TraceNet
from foveal_audit.studies.traces import STUDIES, make_recordings, write_recordings
from foveal_audit.studies.training import train_classifier


@pytest.mark.parametrize("study", STUDIES)
def test_marks_and_kinds_are_as_planned(study):
    made = make_recordings(study, 0, 1600)
    again = make_recordings(study, 0, 1600)
    assert all((one.values == other.values).all() for one, other in zip(made, again, strict=True))
    assert not any(one.unknown for one in made)
    shares = {
        (recorder, label): np.mean(
            [one.mark is not None for one in made if (one.recorder, one.label) == (recorder, label)]
        )
        for recorder in "AB"
        for label in (0, 1)
    }
    assert shares["A", 0] == shares["A", 1] == 0
    assert shares["B", 0] == pytest.approx(0.1, abs=0.05)
    assert shares["B", 1] == pytest.approx(0.9, abs=0.05)
    other = make_recordings(study, 0, 400, unknown=0.4)
    assert np.mean([one.unknown for one in other]) == pytest.approx(0.2, abs=0.06)
    assert all(one.label == 1 for one in other if one.unknown)


@pytest.mark.parametrize("study", STUDIES)
def test_the_mark_is_what_a_marked_recording_has_more(study):
    """Where the mark is, marked recordings are louder than the others, and nowhere else."""
    made = [one for one in make_recordings(study, 0, 600, strength=0.5) if one.label == 0]

    def power(marked):
        return np.mean(
            [one.values[:, 0].astype(float) ** 2 for one in made if (one.mark is not None) == marked], axis=0
        )

    ratio = np.convolve(power(True), np.ones(9), "valid") / np.convolve(power(False), np.ones(9), "valid")
    start, stop = np.median([one.mark for one in made if one.mark], axis=0).astype(int)
    assert ratio[start : stop - 9].min() > 3
    assert np.delete(ratio, slice(max(0, start - 40), stop + 40)).max() < 3


@pytest.mark.parametrize("study", STUDIES)
def test_files_read_back(study, tmp_path):
    how, made = STUDIES[study], make_recordings(study, 3, 5)
    kind = get_kind(how.kind)
    files = list_samples(write_recordings(tmp_path, "training", study, made), kind)
    assert [file.label for file in files] == [how.labels[one.label] for one in made]
    assert [file.metadata for file in files] == [{"recorder": one.recorder} for one in made]
    for file, one in zip(files, made, strict=True):
        decoded = kind.decode(kind.read(file.path), file.name)
        assert decoded.values.dtype == one.values.dtype
        assert decoded.spacing == (pytest.approx(1 / how.rate, rel=1e-3),)
        np.testing.assert_allclose(decoded.values, one.values, atol=1 if how.kind == "audio" else 1e-5)


def test_traces_can_be_learned():
    """As far as they can: widths of 3 to 4.2 are of either outcome, which leaves .80 to the best."""
    made = make_recordings("ecg", 0, 160, strength=0.5)
    x = np.stack([one.values.T for one in made])
    y = np.array([one.label for one in made], np.int64)
    network = train_classifier(TraceNet, x, y, epochs=16, seed=0, rate=3e-3)
    with torch.inference_mode():
        assert (network(torch.from_numpy(x)).argmax(1).numpy() == y).mean() >= 0.78
