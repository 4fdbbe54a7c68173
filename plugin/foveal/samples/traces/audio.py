"""Sounds: speech, hearts, machines."""

from __future__ import annotations

from foveal.samples.formats import Format, decode_as, names_of, suffixes_of
from foveal.samples.kinds import Decoded, Kind
from foveal.samples.numpy_files import decode_npy, is_npy
from foveal.samples.traces.playing import encode_wav
from foveal.samples.traces.sounds import check_length, decode_sound
from foveal.samples.traces.transform import AudioTransform


def decode_audio(data: bytes, name: str) -> Decoded:
    """Read a sound (T, C).

    Raises
    ------
    UsageError
        If the bytes are in none of :data:`FORMATS`, or damaged.
    """
    return decode_as(data, name, FORMATS, "a sound")


def _array(data: bytes, name: str) -> Decoded:
    values = decode_npy(data, name, axes=1)
    check_length(values.size, name)
    return Decoded(values)


FORMATS = (
    Format("WAV", lambda data: data[:4] in (b"RIFF", b"RIFX", b"RF64"), decode_sound, frozenset({".wav"})),
    Format("FLAC", lambda data: data[:4] == b"fLaC", decode_sound, frozenset({".flac"})),
    Format("OGG", lambda data: data[:4] == b"OggS", decode_sound, frozenset({".ogg", ".oga", ".opus"})),
    Format("npy", is_npy, _array, frozenset({".npy"})),
)

KIND = Kind(
    name="audio",
    axes=("t",),
    suffixes=suffixes_of(FORMATS),
    formats=names_of(FORMATS),
    decode=decode_audio,
    transform=AudioTransform.from_mapping,
    example="foveal explain model_store/digits.mar digit.wav -o explained",
    sound=encode_wav,
)
