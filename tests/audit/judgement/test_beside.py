"""An object beside a mark is not judged by what the mark leaves of its samples."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement import assessing
from foveal_audit.judgement.beside import LEFT, share_beside, without_marks_beside
from foveal_audit.judgement.facet import Facet, Judged

ELSEWHERE = dict.fromkeys(LEFT, 0.9)


@dataclass(frozen=True)
class Boxes:
    """What is asked of windows."""

    owner: np.ndarray
    boxes: np.ndarray
    axes: int

    def __len__(self):
        return len(self.owner)


def windows(*rows):
    """Make windows of rows (sample, starts.., ends..)."""
    found = np.array(rows, dtype=np.int64)
    return Boxes(found[:, 0], found[:, 1:], (found.shape[1] - 1) // 2)


def naive(one, other):
    """Ask of one sample after the other."""
    apart = 0
    for sample in set(one.owner.tolist()):
        mine, theirs = (each.boxes[each.owner == sample] for each in (one, other))
        touch = any(
            all(max(a[k], b[k]) < min(a[k + one.axes], b[k + one.axes]) for k in range(one.axes))
            for a in mine
            for b in theirs
        )
        apart += bool(len(theirs)) and not touch
    return apart / len(set(one.owner.tolist()))


def test_the_share_of_samples_by_hand():
    ball = windows((0, 10, 20), (1, 10, 20), (2, 10, 20), (2, 50, 60), (3, 10, 20))
    mark = windows((0, 0, 8), (1, 15, 25), (2, 55, 65), (3, 20, 30), (7, 0, 8))
    assert share_beside(ball, mark) == 0.5  # of 0 and 3; in 1 and 2 the two touch
    assert share_beside(mark, ball) == 0.4


BOXES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(BOXES, BOXES)
def test_the_share_is_that_of_the_naive_twin(one, other):
    some, others = (windows(*((s, y, x, y + 3, x + 3) for s, y, x in rows)) for rows in (one, other))
    assert share_beside(some, others) == pytest.approx(naive(some, others))


def judged(boxes, **more):
    return Judged(Facet(None, 0, boxes), 1, ELSEWHERE | {"position_lock": 0.5} | more, None, None, None)


def told(*irrelevance):
    return [SimpleNamespace(irrelevance=one) for one in irrelevance]


BALL = windows(*((sample, 10, 20) for sample in range(10)))
MARK = windows(*((sample, 0, 8) for sample in range(5)))


@pytest.mark.parametrize("irrelevance", [0.1, 0.85])
def test_the_object_beside_a_mark_loses_what_the_mark_explains(irrelevance):
    ones = [judged(MARK), judged(BALL)]
    mark, ball = without_marks_beside(ones, told(0.97, irrelevance))
    assert mark is ones[0]
    assert set(ball.signals) == {"position_lock"}


@pytest.mark.parametrize(
    ("boxes", "irrelevances", "more"),
    [
        (MARK, (0.79, 0.5), {}),  # no mark
        (MARK, (0.84, 0.85), {}),  # less irrelevant than the object itself
        (windows(*((sample, 0, 8) for sample in range(4))), (0.97, 0.85), {}),  # in too few samples
        (windows(*((sample, 15, 25) for sample in range(9))), (0.97, 0.85), {}),  # at the same place
        (MARK, (0.97, 0.85), {"property_ubiquity": 1.0}),  # a property has no place
    ],
)
def test_all_else_stays_as_it_is(boxes, irrelevances, more):
    ones = [judged(boxes, **more), judged(BALL)]
    assert without_marks_beside(ones, told(*irrelevances))[1] is ones[1]


@pytest.mark.parametrize(("axes", "rounds"), [(1, 2), (2, 1), (3, 2)])
def test_pictures_are_assessed_once(monkeypatch, axes, rounds):
    asked = []
    monkeypatch.setattr(assessing, "_assessed", lambda judged, *_: asked.append(judged) or ["told"])
    monkeypatch.setattr(assessing, "without_marks_beside", lambda judged, _: [object() for _ in judged])
    assert assessing.assess([object()], SimpleNamespace(axes=axes), "a" * 64, (), 0) == ["told"]
    assert len(asked) == rounds
