"""One table of words: what is written of pictures is said of recordings and scans, of pictures as it is."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.judgement.signals.registry import KINDS
from foveal_audit.judgement.signs import SIGNS
from foveal_audit.nouns import WORDS, axes_in, axes_of, say
from foveal_audit.report import naming, properties, wording
from foveal_audit.report.sentences import SENTENCES

#: Words that nothing but a picture is spoken of with.
OF_PICTURES = re.compile(r"pictur|\bimages?\b|rectangle|paint|pixel|colour", re.IGNORECASE)


def listed(*windows):
    return SimpleNamespace(entries=[SimpleNamespace(window=one) for one in windows])


@pytest.mark.parametrize(
    ("text", "recordings", "scans"),
    [
        ("Pictures that show it", "Recordings that show it", "Scans that show it"),
        (
            "It lies nearer to the edge of the picture.",
            "It lies nearer to an end of the recording.",
            "It lies nearer to the edge of the scan.",
        ),
        ("Painting it over", "Replacing it", "Replacing it"),
        ("when the detail is painted over", "when the detail is replaced", "when the detail is replaced"),
        ("into other images adds", "into other recordings adds", "into other scans adds"),
        ("it keeps to no one rectangle", "it keeps to no one stretch of time", "it keeps to no one box"),
        (
            "to its mirror images (corners, for example)",
            "to its mirrored place (both ends, for example)",
            "to its mirrored places (corners, for example)",
        ),
        (
            "The same pixels have the same colours.",
            "The same steps have the same values.",
            "The same voxels have the same values.",
        ),
        ("depicted, imagery, painter", "depicted, imagery, painter", "depicted, imagery, painter"),
    ],
)  # fmt: skip
def test_words_follow_the_number_of_axes(text, recordings, scans):
    assert [say(text, axes) for axes in (1, 2, 3)] == [recordings, text, scans]


@given(st.text() | st.lists(st.sampled_from(sorted(WORDS))).map(" ".join))
def test_of_pictures_nothing_changes(text):
    assert say(text, 2) == text


@pytest.mark.parametrize("phrase", WORDS)
def test_every_phrase_is_said_as_the_table_has_it_whatever_shorter_ones_it_holds(phrase):
    assert (say(phrase, 1), say(phrase, 3)) == WORDS[phrase]


@pytest.mark.parametrize("axes", [1, 3])
def test_no_word_of_ours_speaks_of_pictures_where_there_are_none(axes):
    written = [text for both in SENTENCES.values() for text in both]
    written += [sign.words for sign in SIGNS] + [kind.says for kind in KINDS.values()]
    written += [wording.ARTEFACT_ACTION, wording.PROPERTY_ACTION]
    terms = [*wording.EFFECTS.values(), *properties.EFFECTS.values()]
    written += [text for term in terms for text in term]
    said = [say(text, axes) for text in written]
    said += [text for name in (*KINDS, *naming._BESIDE) for text in naming.signal(name, axes)]
    assert [one for one in said if OF_PICTURES.search(one)] == []


def test_axes_are_those_of_the_listed_windows():
    assert [axes_of(listed(one)) for one in ((0, 4), (0, 0, 4, 4), (0,) * 3 + (4,) * 3)] == [1, 2, 3]
    assert axes_of(listed()) == 2
    assert axes_in(SimpleNamespace(assessments=[listed(), listed((0, 4))])) == 1
    assert axes_in(SimpleNamespace(assessments=[])) == 2
