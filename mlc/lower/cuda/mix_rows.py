"""mix_rows: which tiles in shared memory keep the pieces of their rows in an order of their own."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.intrinsic import intrinsic_named, is_intrinsic, kept_dimensions
from ...ir.program import Buffer, Evaluate, Region, Scope, Stmt, walk

PIECE = 16  # bytes, which change places as one
LINE = 128  # bytes that all banks have together


def mixed_rows(body: Stmt) -> Mapping[Buffer, int]:
    """The bytes of a row of each buffer in shared memory that is to be mixed.

    Those are the tiles that calls read by rows of 16 bytes, where all calls that touch a tile say
    that its rows may be mixed, and the length of a row is a power of two, so that eight of them
    would begin in the same banks. Rows of other lengths, such as padded ones, stay as they are.
    """
    rows: dict[Buffer, int] = {}
    plain: set[Buffer] = set()
    for stmt in walk(body):
        if not isinstance(stmt, Evaluate):
            continue
        found = intrinsic_named(stmt.name) if is_intrinsic(stmt.name) else None
        for n, region in enumerate(stmt.args):
            if isinstance(region, Buffer):
                plain.add(region)
            if not isinstance(region, Region):
                continue
            buffer = region.buffer
            mixes = found is not None and found.operands[n].name in found.mixes
            length = _row_bytes(region) if mixes and buffer.scope is Scope.SHARED else 0
            if length == 0 or rows.setdefault(buffer, length) != length:
                plain.add(buffer)
    return {buffer: length for buffer, length in rows.items() if buffer not in plain}


def mixing_period(row_bytes: int) -> int:
    """Elements so many bytes apart are mixed alike."""
    return max(row_bytes, LINE) * min(row_bytes // PIECE, LINE // PIECE)


def _row_bytes(region: Region) -> int:
    """The distance of the rows of a tile if they can be mixed; 0 otherwise."""
    kept = kept_dimensions(region.extents)
    strides = region.buffer.element_strides
    if len(kept) != 2 or strides[kept[1]] != 1:
        return 0
    length = strides[kept[0]] * region.buffer.dtype.itemsize
    return length if length >= 2 * PIECE and length & (length - 1) == 0 else 0
