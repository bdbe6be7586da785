"""np.packbits and np.unpackbits."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean, uint8
from ..errors import ArgumentError, DTypeError, ShapeError
from ..intrinsics.packing import BLOCK, pack_row
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.grids import Grid
from ..ir.program import Buffer, Program, Region
from .broadcast import as_axis, as_tensor, shape_of, size_of
from .elementwise import astype
from .op import implements, op
from .programs import Writer, threads, unflattened
from .promotion import dtype_of
from .shape import ravel


def _with(index: tuple[Expr, ...], axis: int, place: Expr) -> tuple[Expr, ...]:
    return (*index[:axis], place, *index[axis + 1 :])


@op
def pack_bits(x: Any, *, axis: int, big: bool) -> Any:
    """Eight elements along ``axis``, each 0 or not, as a byte; what is missing at the end is 0."""
    x = as_tensor(x)
    size = x.shape[axis]
    shape = tuple(-(-n // 8) if d == axis else n for d, n in enumerate(x.shape))

    def body(*index: Expr) -> Expr:
        byte: Expr = const(0, uint8)
        for k in range(8):
            place = index[axis] * 8 + k
            inside = te.min(place, size - 1)
            bit = cast(x[_with(index, axis, inside)], boolean)
            value = const(1 << (7 - k if big else k), uint8)
            byte = byte + select(apply("bitand", bit, place < size), value, const(0, uint8))
        return byte

    return te.compute(shape, body, name="packbits")


@op
def pack_rows(x: Any, *, big: bool) -> Any:
    """`pack_bits` of truth values along the last axis, which has two blocks or more."""
    x = as_tensor(x)
    *outer, n = x.shape
    whole, size = n // BLOCK * BLOCK, -(-n // 8)
    rows = size_of(outer)
    w = Writer("packbits")
    source, out = w.input("x", x.shape, boolean), w.output("out", (*outer, size), uint8)

    def byte(bits: Buffer, row: list[Expr], place: Expr, least: int) -> Expr:
        """Byte number ``place`` of a row, with ``least`` bits at least."""
        found: Expr = const(0, uint8)
        for k in range(8):
            at = place * 8 + k
            here = (*row, te.min(at, n - 1) if k >= least else at)
            bit = cast(bits[here], uint8) << const(7 - k if big else k, uint8)
            found = found | (bit if k < least else select(at < n, bit, const(0, uint8)))
        return found

    def meaning(name: str) -> Program:
        inner = Writer(name)
        bits = inner.input("A", (whole,), boolean)
        packed = inner.output("B", (whole // 8,), uint8)
        with inner.loop(whole // 8, "i") as i:
            inner.store(packed, (i,), byte(bits, [], i, 8))
        return inner.program()

    named = pack_row(whole, big, meaning).name
    with w.loop(rows, "r", threads(rows, x.size // 8)) as r:
        row = unflattened(r, outer)
        start, ones = (*row, const(0)), (1,) * len(outer)
        parts = Region(source, start, (*ones, whole)), Region(out, start, (*ones, whole // 8))
        w.run_on(named, *parts)
        with w.loop(size - whole // 8, "i") as i:
            place = i + whole // 8
            w.store(out, (*row, place), byte(source, row, place, 0))
    shape = x.shape

    def on_grid() -> Grid:
        from .grid_places import bytes_on_grid

        return bytes_on_grid(shape, size, byte)

    return w.call(x, on_grid=on_grid)


@op
def unpack_bits(x: Any, *, axis: int, size: int, big: bool) -> Any:
    """``size`` bits of the bytes along ``axis``; 0 where there are no more."""
    x = as_tensor(x)
    given = x.shape[axis]
    shape = tuple(size if d == axis else n for d, n in enumerate(x.shape))

    def body(*index: Expr) -> Expr:
        if not given:
            return const(0, uint8)
        place = index[axis]
        number = place % 8
        shift = cast(7 - number if big else number, uint8)
        source = te.min(place // 8, given - 1)
        byte = x[_with(index, axis, source)]
        bit = apply("bitand", apply("shr", byte, shift), const(1, uint8))
        return bit if size <= given * 8 else select(place < given * 8, bit, const(0, uint8))

    return te.compute(shape, body, name="unpackbits")


def _is_big(name: str, bitorder: str) -> bool:
    if bitorder not in ("big", "little"):
        raise ArgumentError(f"np.{name}: bitorder must be 'big' or 'little', got {bitorder!r}")
    return bitorder == "big"


def _arranged(name: str, a: Any, axis: Any) -> tuple[Any, int]:
    """The array and the axis; without one the array flattened."""
    if axis is None or not shape_of(a):
        a = ravel(a)
    return a, as_axis(f"np.{name}", 0 if axis is None else axis, len(shape_of(a)))


@implements(np.packbits)
def packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> Any:
    """np.packbits."""
    if dtype_of(a).is_float:
        raise DTypeError(
            f"np.packbits: expected an array of integers or booleans, got {dtype_of(a)}; compare "
            f"it with something, as in x > 0"
        )
    a, axis = _arranged("packbits", a, axis)
    big = _is_big("packbits", bitorder)
    if axis == len(shape_of(a)) - 1 and shape_of(a)[axis] >= 2 * BLOCK and size_of(shape_of(a)):
        return pack_rows(astype(a, dtype=boolean), big=big)
    return pack_bits(a, axis=axis, big=big)


@implements(np.unpackbits)
def unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Any:
    """np.unpackbits; ``count`` bits, or so many less than there are if it is negative."""
    if dtype_of(a) is not uint8:
        raise DTypeError(
            f"np.unpackbits: expected an array of uint8, got {dtype_of(a)}; use .astype(np.uint8)"
        )
    a, axis = _arranged("unpackbits", a, axis)
    bits = shape_of(a)[axis] * 8
    size = bits if count is None else int(count) if count >= 0 else bits + int(count)
    if size < 0:
        raise ShapeError(f"np.unpackbits: count {count} takes away more than {bits} bits")
    return unpack_bits(a, axis=axis, size=size, big=_is_big("unpackbits", bitorder))
