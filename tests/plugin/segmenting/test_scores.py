"""How much of a class was found: counted by hand, and what its gradient and its changes mean."""

from math import asinh

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.segmenting.scores import by_class, evidence, margins, scores


def logits(*positions):
    """Make logits (1, n, positions) of one tuple a position."""
    return torch.tensor([list(zip(*positions, strict=True))], dtype=torch.float64)


def test_margins_by_hand():
    found = margins(logits((0.0, 3.0, 1.0), (5.0, 1.0, 4.0)))
    assert found.tolist() == [[[-3.0, 1.0], [2.0, -4.0], [-2.0, -1.0]]]


def test_evidence_is_the_mean_margin_where_a_class_wins():
    # Class 1 wins at two of four positions, by 2 and by 3; class 2 nowhere, and by 1 at best.
    found = evidence(logits((0, 2, -9), (0, 3, -9), (4, 0, 3), (9, 0, -9)))
    assert found.tolist() == [[(4 - 3) / 4 + 9 / 4, 5 / 4, -1 / 4]]


def test_the_background_scores_nothing_and_the_class_with_most_is_predicted():
    found = scores(logits((0, 2, -9), (0, 3, -9), (4, 0, 3), (9, 0, -9)), 0)
    assert found.tolist() == [[0.0, asinh(1250.0), asinh(-250.0)]]


def test_without_a_background_every_class_counts():
    assert scores(logits((9, 0), (9, 0)), None).argmax(1).tolist() == [0]


def test_where_nothing_is_found_the_background_is_predicted():
    found = scores(logits((4, 1), (2, 1.5), (3, -8)), 0)
    assert found.argmax(1).tolist() == [0]
    assert found[0, 1] < 0


def test_one_channel_stands_for_two_classes():
    output = torch.tensor([[[-1.0, 2.0]]])
    assert by_class(output).tolist() == [[[0.0, 0.0], [-1.0, 2.0]]]
    assert by_class(by_class(output)).shape == (1, 2, 2)


def test_the_gradient_is_even_over_what_was_found_and_nothing_elsewhere():
    point = logits((0, 2), (0, 7), (4, 0), (9, 0)).requires_grad_()
    (gradient,) = torch.autograd.grad(evidence(point)[0, 1], point)
    assert gradient.tolist() == [[[-0.25, -0.25, 0.0, 0.0], [0.25, 0.25, 0.0, 0.0]]]


def test_a_class_that_is_nowhere_is_led_by_its_best_position():
    point = logits((4, 1), (2, 1.5), (3, -8)).requires_grad_()
    (gradient,) = torch.autograd.grad(evidence(point)[0, 1], point)
    assert gradient[0, 1].tolist() == [0.0, pytest.approx(1 / 3), 0.0]


def test_evidence_has_no_jump_where_a_class_is_first_found():
    below, above = (float(evidence(logits((1, 1 + step), (5, 0)))[0, 1]) for step in (-1e-9, 1e-9))
    assert below == pytest.approx(0, abs=1e-8)
    assert above == pytest.approx(0, abs=1e-8)


@given(st.data())
def test_more_of_a_class_is_never_less_evidence(data):
    numbers = st.floats(-20, 20, width=32)
    classes, positions = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 6))
    rows = data.draw(
        st.lists(
            st.lists(numbers, min_size=positions, max_size=positions), min_size=classes, max_size=classes
        )
    )
    before = torch.tensor([rows], dtype=torch.float64)
    more = before.clone()
    more[0, 0, data.draw(st.integers(0, positions - 1))] += data.draw(st.floats(0, 20))
    assert evidence(more)[0, 0] >= evidence(before)[0, 0] - 1e-9
    assert (evidence(more)[0, 1:] <= evidence(before)[0, 1:] + 1e-9).all()


@given(st.integers(1, 3), st.integers(0, 2**31))
def test_as_a_naive_count(axes, seed):
    torch.manual_seed(seed)
    given_logits = torch.randn(2, 3, *[3] * axes, dtype=torch.float64)
    found = evidence(given_logits)
    for row in range(2):
        flat = given_logits[row].flatten(1)
        for own in range(3):
            others = [index for index in range(3) if index != own]
            won = [float(flat[own, at] - flat[others, at].max()) for at in range(flat.shape[1])]
            expected = sum(max(0.0, one) for one in won) / len(won) + min(0.0, max(won)) / len(won)
            assert float(found[row, own]) == pytest.approx(expected, abs=1e-12)
