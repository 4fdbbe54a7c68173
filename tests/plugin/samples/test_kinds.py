"""The registry of kinds: every row whole, errors with the nearest, nothing imported without need."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from foveal.errors import EnvironmentFault, UsageError
from foveal.samples.arrays import encode_array
from foveal.samples.formats import Format, decode_as, offline_by, reading
from foveal.samples.kinds import KINDS, Decoded, get_kind, read_transform

#: A section of every kind whose size is fixed, and the shape of what the network takes.
SECTIONS = {
    "image": ({"size": [6, 8], "channels": 1}, (1, 1, 6, 8), (20, 30, 1)),
    "signal": ({"size": [40], "channels": 2, "rate": 100.0}, (1, 2, 40), (70, 2)),
    "audio": (
        {"size": [64], "channels": 1, "rate": 8000.0, "spectrogram": {"window": 16, "hop": 8}},
        (1, 1, 9, 8),
        (90, 2),
    ),
    "volume": ({"size": [4, 6, 8], "channels": 1}, (1, 1, 4, 6, 8), (7, 9, 11, 1)),
}


@pytest.mark.parametrize("name", list(KINDS))
def test_every_row_is_whole(name):
    kind = get_kind(name)
    assert kind.name == name
    assert kind.formats
    assert all(suffix.startswith(".") for suffix in kind.suffixes)
    assert kind.example.startswith("foveal ")


@pytest.mark.parametrize("name", list(KINDS))
def test_every_transform_keeps_the_contract(name):
    section, taken, shape = SECTIONS[name]
    transform = read_transform({"kind": name, **section})
    assert transform.kind == name
    assert read_transform({"kind": name, **transform.to_mapping()}) == transform
    blank = transform.blank()
    assert blank.shape == taken
    assert not blank.any()
    values = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    made = transform(values, "s", ())
    assert (made.shape, made.dtype) == (torch.Size(taken[1:]), torch.float32)
    assert transform.inverse(made).shape == (*taken[2:], taken[1])
    axes = len(KINDS[name].axes)
    laid = transform.on_sample(np.ones((5, *taken[2:])), shape)
    assert (laid.ndim, len(laid)) == (1 + axes, 5)
    frame = transform.frame(shape)
    assert len(frame) == 2 * axes
    assert all(0 <= a < b <= side for a, b, side in zip(frame[:axes], frame[axes:], shape, strict=False))
    assert transform.band(np.ones(taken[2:]), frame, shape) is None  # no frequency stands out


@pytest.mark.parametrize("name", list(KINDS))
def test_bytes_of_no_kind_fail_in_one_line(name):
    for data in (b"", b"\0" * 200, b"GIF89a" + b"\xff" * 40, bytes(range(256)) * 3):
        with pytest.raises(UsageError) as caught:
            KINDS[name].decode(data, "a sample")
        assert "'a sample'" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "image"])
def test_what_the_worker_notes_holds_the_values_and_no_header(name):
    values = np.zeros((4,) * len(KINDS[name].axes) + (1,), np.float32)
    assert KINDS[name].spooled(b"whatever was sent", values) == encode_array(values)


def test_unknown_kinds():
    with pytest.raises(UsageError) as caught:
        get_kind("imag")
    assert str(caught.value) == "Unknown kind 'imag'. Did you mean 'image' or 'signal'."
    with pytest.raises(UsageError, match="Unknown kind 'sound'"):
        read_transform({"kind": "sound"})
    with pytest.raises(KeyError):
        KINDS["sound"]


def test_a_section_without_kind_is_about_images():
    assert read_transform({}) == KINDS["image"].transform({})
    with pytest.raises(UsageError, match=r"Unknown key 'preprocess.rate'"):
        read_transform({"rate": 8000})


LIGHT = """
import sys
from foveal.samples.kinds import KINDS
for name in KINDS:
    KINDS[name].transform({})
print([name for name in sys.argv[1:] if name in sys.modules])
"""


def test_the_table_brings_no_decoder():
    heavy = (
        "pandas",
        "scipy",
        "mlflow",
        "pyarrow",
        "pydantic",
        "wfdb",
        "pyedflib",
        "soundfile",
        "pydicom",
        "nibabel",
    )
    done = subprocess.run([sys.executable, "-c", LIGHT, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def one(name, first, **fields):
    return Format(
        name, lambda data: data.startswith(first), lambda data, _: Decoded(np.ones((1, 1))), **fields
    )


def test_formats_are_told_by_content():
    formats = [one("A", b"a"), one("B", b"b", offline=True)]
    assert decode_as(b"bcd", "s", formats, "a thing").values.shape == (1, 1)
    with pytest.raises(UsageError) as caught:
        decode_as(b"xyz", "s", formats, "a thing")
    assert str(caught.value) == (
        "Sample 's' cannot be read as a thing: unknown or damaged format. "
        "Give a whole file of one of these formats: A, B (not while serving)."
    )
    offline = offline_by(formats)
    assert [offline(data) for data in (b"a", b"b", b"c")] == ["", "B", ""]


def test_what_decoders_raise_becomes_one_line():
    with pytest.raises(UsageError) as caught, reading("s", "WAV"):
        raise RuntimeError("Error opening <_io.BytesIO object at 0x7f>:\n no header; use f(x)")
    assert str(caught.value) == (
        "Sample 's' cannot be read as WAV: Error opening it: no header. Give a whole file of that format."
    )
    with pytest.raises(UsageError) as caught, reading("s", "WAV"):
        raise ValueError("no 'PLANTED' or \"O'PLANTED\" can't be at 3")
    assert str(caught.value) == (
        "Sample 's' cannot be read as WAV: no a text of the file or a text of the file can't be at 3. "
        "Give a whole file of that format."
    )
    with pytest.raises(EnvironmentFault) as fault, reading("s", "WAV", "signals"):
        raise ModuleNotFoundError("no", name="soundfile")
    assert str(fault.value) == (
        "Sample 's' cannot be read: soundfile is not installed. Install it: pip install foveal[signals]."
    )
