"""Sound files, through libsndfile (https://libsndfile.github.io/libsndfile/)."""

from __future__ import annotations

import io
import struct

from foveal.errors import UsageError
from foveal.samples.formats import reading
from foveal.samples.kinds import Decoded
from foveal.samples.numpy_files import as_sample

#: Values of the longest trace that is read: ten minutes of stereo at 44.1 kHz.
MAX_TRACE = 2**26
#: Encodings that 16 bits hold whole; all others are read as floats.
_SIXTEEN = {"PCM_16", "PCM_S8", "PCM_U8"}
#: How whole numbers are written in each of the formats of chunks.
_CHUNKED = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<"}
#: Sizes from here on, and 0, are what programs state that write a stream and do not know its end.
_STREAM = 0x7FFFF000


def decode_sound(data: bytes, name: str) -> Decoded:
    """Read a sound (T, C): int16 where the file has at most 16 bits, else float32 in [-1, 1].

    Raises
    ------
    UsageError
        If the bytes are damaged, cut short, hold no sound, or more than :data:`MAX_TRACE` values.
    """
    with reading(name, "sound", "signals"):
        import soundfile  # noqa: PLC0415 - of an extra

        _check_whole(data)
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            check_length(file.frames * file.channels, name)
            kind = "int16" if file.subtype in _SIXTEEN else "float32"
            values = file.read(dtype=kind, always_2d=True)
            check_length(values.size, name)
            return Decoded(as_sample(values, name), spacing=(1 / file.samplerate,))


def _check_whole(data: bytes) -> None:
    """Refuse a WAV that promises more than follows: libsndfile would shorten it and say nothing."""
    start, size = _data_chunk(data)
    if size < _STREAM and size > len(data) - start:
        raise ValueError("it is shorter than its header says")


def _data_chunk(data: bytes) -> tuple[int, int]:
    """Say where a WAV's values begin, and how many bytes of them it promises; 0 where it does not say."""
    order = _CHUNKED.get(data[:4], "")
    at, long = 12, 0
    while order and at + 8 <= len(data):
        name, size = struct.unpack_from(f"{order}4sI", data, at)
        if name == b"data":
            return at + 8, long or size
        if name == b"ds64" and at + 24 <= len(data):
            (long,) = struct.unpack_from("<Q", data, at + 16)
        at += 8 + size + size % 2
    return at, 0


def check_length(count: int, name: str) -> None:
    """Refuse traces that are empty or too long."""
    if count <= 0:
        raise UsageError(f"Sample {name!r} holds no values", "Give a recording of at least one step")
    if count > MAX_TRACE:
        raise UsageError(
            f"Sample {name!r} has more than {MAX_TRACE // 2**20} Mi values", "Cut it before sending it"
        )
