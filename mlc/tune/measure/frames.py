"""Messages between processes: a header of plain data and runs of bytes.

Nothing in a message is run when it is read: JSON and bytes, no pickles.
"""

from __future__ import annotations

import json
import struct
from typing import Any

_PREFIX = struct.Struct("<4sIQ")  # magic, bytes of the header, bytes of all that follows
_MAGIC = b"MLCM"
PREFIX_BYTES = _PREFIX.size

Header = dict[str, Any]


def pack(header: Header, *blobs: bytes) -> bytes:
    """One message."""
    text = json.dumps({**header, "blobs": [len(b) for b in blobs]}).encode()
    total = len(text) + sum(map(len, blobs))
    return b"".join([_PREFIX.pack(_MAGIC, len(text), total), text, *blobs])


def unpack(message: bytes) -> tuple[Header, list[bytes]]:
    """The header and the blobs of a message; ValueError if it is damaged."""
    head, total = prefix(message)
    if len(message) != PREFIX_BYTES + total:
        raise ValueError("the message is cut off")
    at = PREFIX_BYTES + head
    header: Header = json.loads(message[PREFIX_BYTES:at])
    blobs = []
    for size in header.pop("blobs"):
        blobs.append(message[at : at + size])
        at += size
    return header, blobs


def prefix(data: bytes) -> tuple[int, int]:
    """The bytes of the header, and of all that follows the prefix."""
    if len(data) < PREFIX_BYTES:
        raise ValueError("the message is cut off")
    magic, head, total = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("these bytes are no message")
    return head, total
