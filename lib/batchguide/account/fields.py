"""Reading one field out of what AWS answered, whatever it turns out to hold.

Every reader gives `None` (or nothing) for a field that is absent or of another type: an odd answer
is a datum that the capture does not say, never a traceback and never a guess.
"""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from batchguide.units import GIB

Fields = Mapping[str, Any]

_EMPTY: Fields = {}
_LATEST_MS = 253_402_300_799_000  # the year 9999: beyond it no instant can be written
_LARGEST_USER_DATA = 1 << 20  # bytes; EC2 takes 16 KiB, and a bomb of gzip takes more


def text(fields: Fields, name: str) -> str | None:
    """A string that says something: an empty one says nothing."""
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def flag(fields: Fields, name: str) -> bool | None:
    """A boolean."""
    value = fields.get(name)
    return value if isinstance(value, bool) else None


def number(fields: Fields, name: str) -> float | None:
    """A finite, non-negative number; AWS writes some of them as text (`"value": "0.25"`)."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) and read >= 0 else None


def whole(fields: Fields, name: str) -> int | None:
    """A non-negative whole number."""
    value = number(fields, name)
    return int(value) if value is not None and value == int(value) else None


def integer(fields: Fields, name: str) -> int | None:
    """A whole number that may be negative, as an exit code."""
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def gib_of_bytes(fields: Fields, name: str) -> float | None:
    """A size that AWS gives in bytes, in GiB; 0 bytes is no size."""
    value = number(fields, name)
    return value / GIB if value else None


def inner(fields: Fields, name: str) -> Fields:
    """A structure within; empty when there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else _EMPTY


def rows(fields: Fields, name: str) -> Iterator[Fields]:
    """The structures of a list."""
    value = fields.get(name)
    return iter([row for row in value if isinstance(row, dict)] if isinstance(value, list) else ())


def texts(fields: Fields, name: str) -> tuple[str, ...]:
    """The strings of a list."""
    value = fields.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def instant(fields: Fields, name: str) -> datetime | None:
    """Milliseconds since the epoch (Batch), or ISO-8601 text (all others), as aware UTC."""
    value = fields.get(name)
    if isinstance(value, int | float) and 0 < value <= _LATEST_MS and value is not True:
        return datetime.fromtimestamp(value / 1000, UTC)
    return _instant_of_text(value) if isinstance(value, str) else None


def _instant_of_text(value: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def tags(fields: Fields, name: str = "Tags") -> dict[str, str]:
    """EC2's list of Key and Value as a mapping."""
    pairs = ((text(row, "Key"), row.get("Value")) for row in rows(fields, name))
    return {key: str(value) for key, value in pairs if key and value is not None}


def user_data(value: Any) -> str | None:
    """User data as text, whether it stands there decoded, in base64, or gzipped in base64."""
    if not isinstance(value, str):
        return None
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return value
    if data.startswith(b"\x1f\x8b"):
        unpacked = _gunzip(data)
        if unpacked is None:
            return None
        data = unpacked
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _gunzip(data: bytes) -> bytes | None:
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = reader.decompress(data, _LARGEST_USER_DATA)
    except zlib.error:
        return None
    return unpacked if reader.eof else None


__all__ = [
    "Fields",
    "flag",
    "gib_of_bytes",
    "inner",
    "instant",
    "integer",
    "number",
    "rows",
    "tags",
    "text",
    "texts",
    "user_data",
    "whole",
]
