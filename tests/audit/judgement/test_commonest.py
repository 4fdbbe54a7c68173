"""Which value of a metadata column a facet goes with most."""

import numpy as np
import pytest
from synthetic_library import make_samples

from foveal_audit.judgement.commonest import commonest_values


@pytest.fixture
def samples():
    """Ten training pictures answered 1: the first four show the facet; five of another class; production."""
    made = make_samples(
        ["training"] * 15 + ["production"] * 3,
        site=[*"BBBA", *"BBAAAA", *"CCCCC", *"DDD"],
        even=["x"] * 18,
        empty=[""] * 18,
    )
    made.predicted[:] = [1] * 10 + [0] * 5 + [1] * 3
    return made


def test_shares_are_those_of_training_pictures_with_the_answer(samples):
    """Of four with it three have B, of six without it two; other classes and production do not count."""
    said = commonest_values(np.array([0, 1, 2, 3, 3, 10, 16]), samples, 1)
    assert said == {"site": "75% of the training pictures that show it have 'B', 33% of the others"}


@pytest.mark.parametrize("owners", [[], [11], range(15)])
def test_where_all_or_none_show_it_nothing_is_said(samples, owners):
    assert commonest_values(np.array(owners, np.int64), samples, 1) == {}
