"""Options and training samples as they are typed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.attribution import METHODS, get_method, input_method
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.explaining.requests import all_options, load_training, read_options
from foveal.samples import ImageTransform


@pytest.fixture(autouse=True)
def picky():
    @input_method("picky", formula="", source="", cost="many passes", sanity="passes")
    def attribute(subject, *, count=3, rate=0.5, exact=True, mode="mean", limit=None):
        """Take one option of every kind."""
        return subject.x

    yield get_method("picky")
    METHODS.pop("picky")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count=12", 12),
        ("rate=2", 2.0),
        ("rate=1e-3", 0.001),
        ("exact=false", False),
        ("exact=Yes", True),
        ("mode=blur", "blur"),
        ("mode=a=b", "a=b"),
        (" mode = blur ", "blur"),
        ("limit=4", 4),
        ("limit=0.5", 0.5),
        ("limit=none", None),
        ("limit=true", True),
        ("limit=word", "word"),
    ],
)
def test_values_take_the_type_of_the_default(picky, text, value):
    read = read_options([text], [picky])["picky"]
    (found,) = read.values()
    assert (found, type(found)) == (value, type(value))
    assert all_options(picky, read) == {**picky.options, **read}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "count=1.5",
            "Option 'count' of method 'picky' is '1.5', not a whole number. Write --option count=3.",
        ),
        ("rate=fast", "Option 'rate' of method 'picky' is 'fast', not a number. Write --option rate=0.5."),
        (
            "exact=maybe",
            "Option 'exact' of method 'picky' is 'maybe', not true or false. Write --option exact=True.",
        ),
        (
            "exact=none",
            "Option 'exact' of method 'picky' is 'none', not true or false. Write --option exact=True.",
        ),
        ("cuont=3", "Method 'picky' has no option 'cuont'. Did you mean 'count' or 'exact'."),
        ("=3", "Option '=3' has no value. Write --option name=value."),
    ],
)
def test_wrong_options_are_told(picky, text, message):
    with pytest.raises(UsageError) as caught:
        read_options([text], [picky])
    assert str(caught.value) == message


def test_of_several_methods_each_gets_what_it_has(picky):
    read = read_options(["count=9"], [get_method("gradcam"), picky])
    assert read == {"gradcam": {}, "picky": {"count": 9}}


MODEL = AuditedModel(
    name="bare",
    module=nn.Identity(),
    transform=ImageTransform(channels=1),
    labels=(),
    config=FovealConfig(),
    sha256="",
    source="",
)


def save(folder, count, size=(8, 8)):
    for number in range(count):
        Image.fromarray(np.full(size, number, np.uint8)).save(folder / f"{number:03}.png")


def test_training_samples_are_taken_evenly(tmp_path):
    save(tmp_path, 10)
    tensor = load_training(MODEL, tmp_path, most=5)
    assert (tensor[:, 0, 0, 0] * 255).round().tolist() == [0, 2, 4, 6, 8]
    assert load_training(MODEL, tmp_path).shape == (10, 1, 8, 8)


def test_training_samples_of_two_sizes_are_told(tmp_path):
    save(tmp_path, 2)
    Image.new("L", (9, 8)).save(tmp_path / "wide.png")
    with pytest.raises(UsageError) as caught:
        load_training(MODEL, tmp_path)
    assert str(caught.value) == (
        "Training sample 'wide.png' has another shape than '000.png'. "
        "Give samples of one shape, or pass --size H,W to `foveal pack`."
    )
