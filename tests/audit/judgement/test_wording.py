"""Sentences about traces and volumes speak of these."""

from __future__ import annotations

import pytest

from foveal_audit.judgement.signs import SIGNS
from foveal_audit.judgement.wording import worded

LINE = "The model's pictures of 'my picture' differ: its pixels hardly change from picture to picture."


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (1, "The model's traces of 'my picture' differ: its values hardly change from trace to trace."),
        (2, LINE),
        (3, "The model's volumes of 'my picture' differ: its voxels hardly change from volume to volume."),
    ],
)
def test_pictures_become_what_they_are_but_not_in_quotes(axes, said):
    assert worded([LINE], axes) == [said]


def test_no_sign_speaks_of_pictures_where_there_are_none():
    lines = worded([sign.words for sign in SIGNS], 1)
    assert not [line for line in lines if "picture" in line.lower()]
