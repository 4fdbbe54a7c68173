"""The setting that masks burnt-in text: off unless asked for, and then part of a configuration's identity."""

import pytest

from foveal.config import FovealConfig
from foveal.errors import UsageError


def test_nothing_is_masked_unless_asked_for():
    plain = FovealConfig.from_mapping({}, environ={})
    assert not plain.keep.hides_text
    assert plain.to_mapping()["keep"] == {"metadata": [], "headers": []} or plain.to_mapping()["keep"] == {
        "metadata": (),
        "headers": (),
    }


def test_asking_changes_what_entries_are_and_is_written_down():
    plain = FovealConfig.from_mapping({}, environ={})
    masking = FovealConfig.from_mapping({"keep": {"burnt_in_text": "mask"}}, environ={})
    assert masking.keep.hides_text
    assert masking.sha256 != plain.sha256
    assert FovealConfig.from_mapping(masking.to_mapping(), environ={}) == masking
    assert FovealConfig.from_mapping({}, environ={"FOVEAL_KEEP_BURNT_IN_TEXT": "mask"}) == masking


def test_other_words_are_refused():
    with pytest.raises(UsageError) as refused:
        FovealConfig.from_mapping({"keep": {"burnt_in_text": "maks"}}, environ={})
    assert str(refused.value) == "foveal.keep.burnt_in_text is 'maks'. Did you mean 'mask'."
