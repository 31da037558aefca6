"""The part of CBOR (RFC 8949) that the resource tagging API needs: no floats, dates or tags."""

import struct
from typing import Final

from local.cloud.values import Json

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE: Final = 31
_INLINE: Final = 24
_WIDTHS: Final = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}
_CONSTANTS: Final = {20: False, 21: True, 22: None, 23: None}
_BREAK: Final = 0xFF


class CborError(ValueError):
    """The bytes are not the CBOR that this service reads."""


def decode(data: bytes) -> Json:
    """The value in ``data``; an empty body is an empty map.

    Raises:
        CborError: malformed, or of a kind that no modelled request has.
    """
    try:
        return _Reader(data).value() if data else {}
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise CborError(f"malformed CBOR: {error}") from error


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self) -> Json:
        major, size, open_ended = self._head()
        if major in (_BYTES, _TEXT):
            raw = self._take(size)
            return raw if major == _BYTES else raw.decode()
        if major == _LIST:
            return list(self._items(size, open_ended=open_ended))
        if major == _MAP:
            flat = self._items(size * 2, open_ended=open_ended)
            return dict(zip(flat[::2], flat[1::2], strict=True))
        if major in (_UNSIGNED, _NEGATIVE):
            return size if major == _UNSIGNED else -1 - size
        if major == _SIMPLE and size in _CONSTANTS:
            return _CONSTANTS[size]
        raise CborError(f"CBOR major type {major} is not read here")

    def _head(self) -> tuple[int, int, bool]:
        first = self._take(1)[0]
        major, short = first >> 5, first & 0x1F
        if short == _INDEFINITE:
            return major, 0, True
        if short < _INLINE:
            return major, short, False
        layout = _WIDTHS.get(short, ">x")
        return major, struct.unpack(layout, self._take(struct.calcsize(layout)))[0], False

    def _items(self, count: int, *, open_ended: bool) -> list[Json]:
        if not open_ended:
            return [self.value() for _ in range(count)]
        found = []
        while self._data[self._at] != _BREAK:
            found.append(self.value())
        self._at += 1
        return found

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise CborError("the body ends in the middle of a value")
        self._at += size
        return taken


def encode(value: Json) -> bytes:
    """``value`` in CBOR, with definite lengths."""
    if isinstance(value, bool) or value is None:
        return bytes([_SIMPLE << 5 | {False: 20, True: 21, None: 22}[value]])
    if isinstance(value, int):
        return _start(_UNSIGNED, value) if value >= 0 else _start(_NEGATIVE, -1 - value)
    if isinstance(value, str):
        raw = value.encode()
        return _start(_TEXT, len(raw)) + raw
    if isinstance(value, list):
        return _start(_LIST, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = (encode(key) + encode(item) for key, item in value.items())
        return _start(_MAP, len(value)) + b"".join(pairs)
    raise CborError(f"a {type(value).__name__} is not written here")


def _start(major: int, size: int) -> bytes:
    if size < _INLINE:
        return bytes([major << 5 | size])
    for short, layout in _WIDTHS.items():
        if size < 1 << 8 * struct.calcsize(layout):
            return bytes([major << 5 | short]) + struct.pack(layout, size)
    raise CborError(f"{size} is too long for CBOR")
