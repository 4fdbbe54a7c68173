"""Recorded sentences about recordings and scans speak of these."""

from __future__ import annotations

import pytest

from foveal_audit.judgement.signs import SIGNS
from foveal_audit.judgement.wording import worded

LINE = "Its pictures of 'my picture' differ: its pixels hardly change from picture to picture."


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            1,
            "Its recordings of 'my picture' differ: its values hardly change from recording to recording.",
        ),
        (2, LINE),
        (3, "Its scans of 'my picture' differ: its voxels hardly change from scan to scan."),
    ],
)
def test_pictures_become_what_they_are_but_not_in_quotes(axes, said):
    assert worded([LINE], axes) == [said]


def test_what_stands_in_any_quotes_stays():
    line = "A picture of \"a picture\", 'a picture' and \u201ca picture\u201d: pictures."
    assert worded([line], 3) == ["A scan of \"a picture\", 'a picture' and \u201ca picture\u201d: scans."]


def test_no_sign_speaks_of_pictures_where_there_are_none():
    lines = worded([sign.words for sign in SIGNS], 1)
    assert not [line for line in lines if "picture" in line.lower()]
