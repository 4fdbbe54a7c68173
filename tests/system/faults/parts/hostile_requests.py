"""Requests that mean no good, drawn by chance: images, things that are no images, headers and names."""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image
from served_model import Row

#: What must never be written down, wherever it was sent.
SECRET = "S3CRET"

_MODES = ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16", "LA", "YCbCr", "I", "F")
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA")
_SIZES = ((1, 1), (1, 400), (400, 1), (16, 16), (33, 20), (120, 90), (2, 3))


def image(chance):
    """An image of any format, mode and size that can be saved."""
    mode, width_height = chance.choice(_MODES), chance.choice(_SIZES)
    for kind in chance.sample(_FORMATS, len(_FORMATS)):
        try:
            return saved(chance.randrange(50), mode, width_height, kind)
        except (OSError, KeyError, ValueError):
            continue
    return saved(0, "RGB", width_height, "PNG")


@cache
def saved(seed, mode, size, kind):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    if mode == "I;16":
        made = Image.fromarray((pixels[..., 0].astype(np.uint16) << 8) + 5)
    else:
        made = Image.fromarray(pixels).convert(mode)
    made.save(out, kind)
    return out.getvalue()


def cut(chance):
    whole = image(chance)
    return whole[: chance.randrange(len(whole))]


def flipped(chance):
    data = bytearray(image(chance))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def spliced(chance):
    one, other = image(chance), image(chance)
    return one[: chance.randrange(len(one))] + other[chance.randrange(len(other)) :]


def noise(chance):
    return chance.randbytes(chance.choice((0, 1, 3, 8, 200, 5000)))


def followed(chance):
    """An image and, behind its end, what looks like the spool's own bytes."""
    return image(chance) + chance.choice((b"\xf0VL1", b"\xf0VL2")) + struct.pack("<III", 8, 0, 0) + bytes(8)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, bits, data, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    body = _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@cache
def _bombs():
    square = zlib.compress(bytes((20_000 // 8 + 1) * 20_000), 9)
    text = zlib.compress(b"A" * 50_000_000, 9)
    return (
        _png(20_000, 20_000, 1, square),
        _png(20_000, 20_000, 8, square),
        _png(2**31 - 1, 2**31 - 1, 8, square),
        _png(8, 8, 8, square),
        _png(2**22, 1, 8, zlib.compress(bytes(2**22 + 1), 9)),
        _png(1, 2**17, 8, zlib.compress(bytes(2**18), 9)),
        _png(0, 0, 8, b""),
        _png(16, 16, 8, zlib.compress(bytes(17 * 16)), _chunk(b"zTXt", b"k\0\0" + text)),
        _png(16, 16, 8, zlib.compress(bytes(17 * 16)), _chunk(b"iTXt", b"k\0\1\0\0\0" + text)),
        b"P6 99999 99999 255\n" + bytes(100),
        b"P5 20000 20000 65535\n" + bytes(100),
        b"P6 -1 99 255\n",
        b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b";",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        b"II*\0" + struct.pack("<IHHHII", 8, 1, 256, 4, 1, 2**31) + struct.pack("<I", 8),
        b"II*\0" + struct.pack("<I", 2**32 - 1),
        b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8X",
    )


def bomb(chance):
    return chance.choice(_bombs())


def document(chance):
    """Something else altogether."""
    return chance.choice(
        (
            *(b"<svg onload='alert(1)'/>", b"%PDF-1.7", b"PK\x03\x04" + bytes(40), b"\x80\x04cos\nsystem\n."),
            *(
                b"DICM",
                b"\0" * 132 + b"DICM",
                b"%!PS-Adobe-3.0 EPSF-3.0\n",
                b"null",
                b"{}",
                b"file:///etc/passwd",
            ),
        )
    )


_CONTENTS = (image, image, image, cut, cut, flipped, flipped, spliced, noise, followed, bomb, document)


def wrapped(chance):
    """What a row may look like: bytes, text, JSON, nested, or nothing that anybody expects."""
    data = chance.choice(_CONTENTS)(chance)
    text = base64.b64encode(data).decode()
    return chance.choice(
        (
            *[{"body": bytearray(data)}] * 8,
            {"data": bytes(data)},
            {"data": text},
            {"body": f"data:image/png;base64,{text}"},
            {"body": {"data": text}},
            {"body": {"b64": text}},
            {"body": json.dumps({"data": text})},
            {"body": text[: len(text) // 2] + "é" + text},
            {"body": chance.choice((None, 5, 1.5, [], [1, [2]], {}, {"x": text}, "", True))},
            {"image": bytearray(data)},
            {"body": bytearray(data), **beside(chance)},
            *({}, None, 7, text, bytearray(data), [bytearray(data)]),
        )
    )


_STRINGS = (
    *("plain", "", " ", "../../../etc/passwd", "/etc/passwd", "..\\..\\x", "a\0b", "a\r\nSet-Cookie: x=1"),
    *(
        "<script>alert(1)</script>",
        "</script>",
        "'; DROP TABLE runs; --",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "%s%n",
    ),
    *(
        "\ud800",
        "\udfff\ud800",
        "\u202egnp.exe",
        "\x1b[31m",
        "ﷺ" * 50,
        "💥" * 50,
        "A" * 100_000,
        "\xf0VL2",
        "\n",
    ),
    *("nan", "-1", "1e999", "true", "null", "__class__", "__proto__", "=cmd|'/c calc'!A0"),
)
_KEPT = ("X-Foveal-Site", "x-foveal-site", "SITE", "X-Trace", "x-trace", "X-Foveal-Label", "traceparent")
_SECRET = (
    "Authorization",
    "authorization",
    "Cookie",
    "X-Api-Key",
    "Proxy-Authorization",
    "X-Unlisted",
    "Site-2",
)


def beside(chance):
    """What gRPC and forms send along with an image."""
    told = {name: chance.choice(_STRINGS) for name in chance.sample(_KEPT, 2)}
    told["label"] = chance.choice(_STRINGS).encode("utf-8", "surrogatepass")
    return {**told, **{name: f"{SECRET} {chance.random()}".encode() for name in _SECRET}}


def headers(chance):
    """Headers of all kinds; those that may not be kept hold the secret."""
    kept = {name: chance.choice(_STRINGS) for name in chance.sample(_KEPT, chance.randrange(4))}
    odd = {chance.choice(_STRINGS): chance.choice((1, None, b"\xff", ["x"], {"a": 1}, 0.5))}
    secret = {name: f"Bearer {SECRET} {chance.random()}" for name in chance.sample(_SECRET, 2)}
    explain = {"explain": "True"} if chance.random() < 0.05 else {}
    return {**kept, **(odd if chance.random() < 0.3 else {}), **secret, **explain}


def request_id(chance, number):
    """Mostly what the server makes up; now and then what nobody should take for a path."""
    return f"{number}-{chance.choice(_STRINGS)[:200]}" if chance.random() < 0.2 else f"{number:08d}"


def draw(seed, count):
    """Draw requests; the same seed gives the same ones."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        yield Row(wrapped(chance), headers(chance), request_id(chance, number))
