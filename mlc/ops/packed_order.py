"""The order that sorts rows, by NumPy's vector code for integers of 8 bytes.

What is sorted are keys with the place of their element behind them, so equal elements keep their
order. Keys of 8 bytes leave no room for places. There the least key is subtracted from all, and as
many of the last bits that remain as places need are left out. Among the few keys that differ in
those alone the whole keys decide; rows with many of them are sorted by their digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import te
from ..dtypes import int64, uint64
from ..intrinsics.sorting import has_compress, sort_row
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.program import Buffer, Program, Region
from .broadcast import size_of
from .parted_sort import sort_by_parts
from .programs import Writer, threads, unflattened
from .sort import LONG, PIECES, PLACE_BITS, Row, for_cards
from .sort_keys import key_dtype, sort_key

LANES = 8
ALIKE = 32  # neighbours that are alike as far as there is room for them, most of all


def order_by_numpy(x: Any, axis: int, descending: bool) -> Any:
    """The places that the elements of the sorted array come from; equal ones in order."""
    w = Writer("argsort")
    source, out = w.input("x", x.shape, x.dtype), w.output("out", x.shape, int64)
    outer, n, inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows = size_of((*outer, *inner))
    at_once = rows < PIECES and n >= LONG and has_compress(uint64)
    with w.loop(rows, "r", "" if at_once else threads(rows, x.size * 16)) as r:
        rest = unflattened(r, (*outer, *inner))
        at = lambda i: [*rest[:axis], i, *rest[axis:]]

        def key(i: Expr) -> Expr:
            found = sort_key(source[tuple(at(i))])
            return ~found if descending else found

        row = w.memory("row", (n,), uint64)
        write = lambda i, place: w.store(out, at(i), place)
        if x.dtype.itemsize < 8:
            bits = PLACE_BITS
            packed = lambda i: (cast(key(i), uint64) << _u(bits)) | cast(i, uint64)
            if at_once:
                _sort_at_once(w, row, packed, bits, write)
            else:
                with w.loop(n, "i", "lanes") as i:
                    w.store(row, (i,), packed(i))
                _sort(w, row)
                _write_places(w, row, bits, write)
        else:
            _wide(w, row, key, Row(w, n, key_dtype(x.dtype), key), write)
    return w.call(x, on_grid=for_cards(w.name, x, axis, descending, True, True))


def _u(value: int) -> Expr:
    return const(value, uint64)


def _sort(w: Writer, row: Buffer) -> None:
    n = int(row.shape[0])
    named = sort_row(uint64, n, "", lambda name: _sorting(name, n)).name
    w.run_on(named, Region(row, (const(0),), (n,)))


def _sorting(name: str, n: int) -> Program:
    """A program that sorts its only param in place, by digits."""
    w = Writer(name)
    a = w.output("A", (n,), uint64)
    Row(w, n, uint64, lambda i: a[i]).by_digits(None, lambda i, key: w.store(a, (i,), key))
    return w.program()


def _sort_at_once(
    w: Writer, row: Buffer, packed: Callable[[Expr], Expr], bits: int,
    write: Callable[[Expr, Expr], None],
) -> None:  # fmt: skip
    """``write(i, place)`` for a long row, whose parts threads sort where there are several."""
    n = int(row.shape[0])
    _in_pieces(w, PIECES, n, lambda i: w.store(row, (i,), packed(i)))
    spare, parted = w.memory("spare", (2 * n,), uint64), w.memory("sorted", (n,), uint64)
    ends = Region(row, (const(0),), (n,)), Region(parted, (const(0),), (n,))
    sort_by_parts(w, *ends, n, _sorting, spare)
    _in_pieces(w, PIECES, n, lambda i: write(i, _place(parted, i, bits)))


def _in_pieces(w: Writer, pieces: int, n: int, body: Callable[[Expr], None]) -> None:
    """``body(i)`` for all ``n`` places, in lanes; threads have a piece each."""
    each = n // pieces
    with w.loop(pieces, "t", "threads") as t, w.loop(each, "i", "lanes") as i:
        body(t * each + i)
    with w.loop(n % pieces, "i") as i:
        body(i + each * pieces)


def _place(row: Buffer, i: Expr, bits: int) -> Expr:
    return cast(row[i] & _u((1 << bits) - 1), int64)


def _write_places(w: Writer, row: Buffer, bits: int, write: Callable[[Expr, Expr], None]) -> None:
    with w.loop(int(row.shape[0]), "i", "lanes") as i:
        write(i, _place(row, i, bits))


def _wide(
    w: Writer, row: Buffer, key: Callable[[Expr], Expr], digits: Row,
    write: Callable[[Expr, Expr], None],
) -> None:  # fmt: skip
    """``write(i, place)`` for a row of keys of 8 bytes."""
    n = int(row.shape[0])
    bits = (n - 1).bit_length()
    keys = w.memory("keys", (n,), uint64)
    with w.loop(n, "i", "lanes") as i:
        w.store(keys, (i,), key(i))
    least, most = _extremes(w, keys)
    shift, span = w.variable("shift", _u(0)), w.variable("span", most[()] - least[()])
    with w.repeat((span[()] >> shift[()]) >= _u(1 << (64 - bits))):
        w.set(shift, shift[()] + _u(1))
    with w.loop(n, "i", "lanes") as i:
        kept = (keys[i] - least[()]) >> shift[()]
        w.store(row, (i,), (kept << _u(bits)) | cast(i, uint64))
    _sort(w, row)
    same = lambda i: apply("eq", row[i] >> _u(bits), row[te.max(i - 1, 0)] >> _u(bits))
    run, longest = w.variable("run", const(0)), w.variable("longest", const(0))
    with w.when(shift[()] > _u(0)), w.loop(n - 1, "i") as i:
        w.set(run, select(same(i + 1), run[()] + 1, const(0)))
        w.set(longest, te.max(longest[()], run[()]))
    with w.when(longest[()] > ALIKE):
        digits.by_digits(write, None)
    with w.otherwise():
        with w.when(longest[()] > 0):
            _settle(w, row, keys, bits, same)
        _write_places(w, row, bits, write)


def _extremes(w: Writer, keys: Buffer) -> tuple[Buffer, Buffer]:
    """Variables with the least and the greatest of ``keys``."""
    n = int(keys.shape[0])
    low, high = w.registers("low", (LANES,), uint64), w.registers("high", (LANES,), uint64)
    with w.loop(LANES, "l", "lanes") as l:
        w.store(low, (l,), keys[l])
        w.store(high, (l,), keys[l])
    with w.loop(n // LANES, "g") as g, w.loop(LANES, "l", "lanes") as l:
        w.store(low, (l,), te.min(low[l], keys[g * LANES + l]))
        w.store(high, (l,), te.max(high[l], keys[g * LANES + l]))
    least, most = w.variable("least", keys[0]), w.variable("most", keys[0])

    def meet(a: Expr, b: Expr) -> None:
        w.set(least, te.min(least[()], a))
        w.set(most, te.max(most[()], b))

    with w.loop(LANES, "l", "unrolled") as l:
        meet(low[l], high[l])
    with w.loop(n % LANES, "i") as i:
        meet(keys[i + n // LANES * LANES], keys[i + n // LANES * LANES])
    return least, most


def _settle(w: Writer, row: Buffer, keys: Buffer, bits: int, same: Callable[[Expr], Expr]) -> None:
    """Neighbours that are alike, by their whole keys, by insertion."""
    n = int(row.shape[0])
    whole = lambda i: keys[_place(row, i, bits)]
    j, mine, moved = w.variable("j", const(0)), w.variable("mine", _u(0)), w.variable("m", _u(0))
    with w.loop(n - 1, "i") as i, w.when(same(i + 1)):
        w.set(j, i + 1)
        w.set(moved, row[i + 1])
        w.set(mine, whole(i + 1))
        before = te.max(j[()] - 1, 0)
        alike = apply("eq", row[before] >> _u(bits), moved[()] >> _u(bits))
        with w.repeat((j[()] > 0) & alike & (whole(before) > mine[()])):
            w.store(row, (j[()],), row[before])
            w.set(j, j[()] - 1)
        w.store(row, (j[()],), moved[()])
