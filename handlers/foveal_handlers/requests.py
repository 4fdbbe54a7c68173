"""What a request brings: its bytes, its identity and the little about it that may be kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from foveal.errors import UsageError
from foveal.tracing import trace_id

if TYPE_CHECKING:
    from torch import Tensor

    from foveal.config import Keep
    from foveal.samples.kinds import Decoded
    from foveal_handlers.explanations import Form

#: Never kept, whatever is allowed: they let whoever reads them act for somebody else.
_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
_OWN_PREFIX = "x-foveal-"
#: Characters of a header's value that are kept at most.
_LONGEST_VALUE = 1000
#: Tells a client under which key its request was written down.
RECORD_HEADER = "X-Foveal-Record"


@dataclass(frozen=True)
class Origin:
    """Which request of a batch a row belongs to, and which of its rows it is."""

    request: int
    row: int


@dataclass(frozen=True)
class Refusal:
    """Why one row of a batch gets no prediction: an HTTP status and a sentence.

    Attributes
    ----------
    origin
        Whose row it is; None behind an envelope that mixed several requests.
    """

    origin: Origin | None
    code: int
    message: str

    def body(self) -> dict[str, Any]:
        """Give the row's answer, in the form of TorchServe's own errors."""
        return {"code": self.code, "type": "PredictionException", "message": self.message}


@dataclass(frozen=True)
class Row:
    """One sample of a batch.

    Attributes
    ----------
    request_id
        TorchServe's id of the request.
    origin
        As in :class:`Refusal`.
    data, sample
        The sample as sent, and decoded.
    tensor
        What the network takes (C, *grid).
    form
        How the map is to be written where the row is to be explained; None where it is to be predicted.
    texts
        The short texts that came beside the sample.
    """

    request_id: str
    origin: Origin | None
    data: bytes
    sample: Decoded
    tensor: Tensor
    form: Form | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def origins(rows: int, requests: int) -> list[Origin] | None:
    """Match the rows of a batch with its requests; None where an envelope mixed several of them up.

    A row is a request, except behind an envelope, which makes many rows of one request.
    """
    if rows == requests:
        return [Origin(index, 0) for index in range(rows)]
    return [Origin(0, row) for row in range(rows)] if requests == 1 else None


def sample_bytes(row: object, kind: str = "image") -> bytes:
    """Take the sample out of a row: bytes, or text in base64 (a data URL too), in ``data`` or ``body``.

    Parameters
    ----------
    row
        As TorchServe hands it over.
    kind
        What a sample is called in an error.

    Raises
    ------
    UsageError
        When the row holds neither.
    """
    content, a = _content(row), "an" if kind[0] in "aeiou" else "a"
    if isinstance(content, (bytes, bytearray, memoryview)) and len(content):
        return bytes(content)
    if isinstance(content, str) and content:
        return _from_base64(content, f"{a} {kind}")
    raise UsageError(
        f"The request holds no {kind}", f"Send {a} {kind}'s bytes, or its base64 text under 'data'"
    )


def _content(row: object) -> object:
    """Unwrap ``data`` or ``body``, once more where JSON has been sent."""
    for _ in range(2):
        if isinstance(row, Mapping):
            row = row.get("data") or row.get("body") or row.get("b64")
    return row


def _from_base64(text: str, what: str) -> bytes:
    """Decode base64, with or without the head of a data URL."""
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            "The request's text is not base64", f"Send {what}'s bytes, or its base64 text"
        ) from error


def sent_texts(row: object) -> dict[str, str]:
    """Give the short texts that came beside a row's sample, as a form has them; gRPC brings nothing else."""
    items = row.items() if isinstance(row, Mapping) else ()
    found = ((name, _short_text(value)) for name, value in items if isinstance(name, str))
    return {name: text for name, text in found if text is not None}


def _short_text(value: object) -> str | None:
    """Read a text, or the bytes of one; None for what is neither, or long."""
    if not isinstance(value, (str, bytes, bytearray)) or len(value) > _LONGEST_VALUE:
        return None
    try:
        return value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError:
        return None


def kept_metadata(
    headers: Mapping[str, object], keep: Keep, texts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Keep what the configuration allows of a request's headers, and nothing else.

    Parameters
    ----------
    headers
        As TorchServe hands them over: names as the client spelt them, some values no text.
    texts
        What came beside the sample; a header of the same name goes before.
    keep
        ``headers`` are kept under their own lower-case names; a key of ``metadata`` is taken from the header
        ``x-foveal-KEY`` or ``KEY``.
    """
    told = {name: value for name, value in headers.items() if isinstance(value, str)}
    present = {
        name.lower(): value
        for name, value in {**(texts or {}), **told}.items()
        if name.lower() not in _SECRET
    }
    kept = {name.lower(): present[name.lower()] for name in keep.headers if name.lower() in present}
    for key in keep.metadata:
        value = present.get(f"{_OWN_PREFIX}{key.lower()}", present.get(key.lower()))
        if value is not None:
            kept[key] = value
    return {name: _as_text(value) for name, value in kept.items()} | _trace(headers)


def kept_tags(tags: Mapping[str, str], keep: Keep) -> dict[str, str]:
    """Keep what the configuration allows of what a sample's own file says, and nothing else."""
    return {key: _as_text(tags[key]) for key in keep.metadata if key in tags}


def _as_text(value: str) -> str:
    """Make of a header what every store takes: no lone surrogates, not a book."""
    return value[:_LONGEST_VALUE].encode("utf-8", "replace").decode()


def _trace(headers: Mapping[str, object]) -> dict[str, str]:
    """Keep the trace that a request belongs to, where it says so; it tells nothing but that."""
    trace = trace_id(headers)
    return {} if trace is None else {"trace_id": trace}
