"""What of a sample may be written down: its values, and of its file nothing that only the header says."""

from __future__ import annotations

from foveal.samples.arrays import encode_array
from foveal.samples.images import decode_image
from foveal.samples.kinds import Kind
from foveal.samples.stripping import stripped
from foveal.samples.values import Values


def kept_values(values: Values, *, hide_text: bool) -> Values:
    """Give the values that may be kept; with `hide_text` burnt-in text is filled in."""
    if not hide_text:
        return values
    from foveal.samples.medical.burnt_in import without_text  # noqa: PLC0415 - rarely asked for

    return without_text(values)


def kept_bytes(kind: Kind, data: bytes, values: Values, *, hide_text: bool) -> bytes:
    """Give the bytes that may be kept of a sample that came as `data` and was decoded to `values`."""
    kept = kept_values(values, hide_text=hide_text)
    return kind.spooled(data, kept) if kept is values else encode_array(kept)


def kept_picture(data: bytes, name: str, *, hide_text: bool) -> bytes:
    """Give the bytes that may be kept of an image that Pillow reads.

    Raises
    ------
    UsageError
        If it must be decoded and cannot be.
    """
    bare = None if hide_text else stripped(data)
    return encode_array(kept_values(decode_image(data, name), hide_text=hide_text)) if bare is None else bare
