"""Where the greatest or least of each column stands, in one pass over rows as they lie in memory.

::

    column_places("argmax", float32, 1000, 64, ...)     P[j] = argmax(A[:, j]), V[j] = A[P[j], j]

A new extreme is rare after the first rows, so vectors are compared with the best so far, and only
where a lane is beyond that is anything stored: what is read sets the pace. Where new ones are
frequent, as in the first rows, or in columns that grow, nobody could guess when, and rows are
stored as they come. NaN is beyond all, and nothing is beyond NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program

AHEAD_BYTES = 8192  # what comes then is asked for: memory far away answers late
TOGETHER = 2  # vectors that one branch is for
MANY = 8  # a row in which more than this part of the branches is taken
PLAIN = 15  # is followed by so many rows that are stored without any


def narrowest(dtype: DType) -> int:
    """The fewest columns of ``dtype`` that `column_places` takes."""
    return TOGETHER * 512 // dtype.bits


def column_places(
    fn: str, dtype: DType, rows: int, rest: tuple[int, ...], counter: DType,
    meaning: Callable[[str], Program],
) -> Intrinsic:  # fmt: skip
    """``fn`` is argmax or argmin; ``A`` has ``rows`` rows of shape ``rest``, each contiguous and of
    `narrowest` elements or more, as the results are. ``meaning(name)`` writes the program that says
    it."""
    name = f"{fn}_columns_{dtype.name}_{'_'.join(map(str, (rows, *rest)))}_{counter.name}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    text = _text(name, fn, dtype, rows, rest, counter)
    return register(Intrinsic(name, meaning(name), {"llvm": text}))


def _text(
    name: str, fn: str, dtype: DType, rows: int, rest: tuple[int, ...], counter: DType
) -> str:
    """The LLVM function; the last vectors of a row overlap those before, which does no harm."""
    is_float, bits = dtype.is_float, dtype.bits
    lanes, size = 512 // bits, f"align {dtype.itemsize}"
    element = ("float" if bits == 32 else "double") if is_float else f"i{bits}"
    number, number_size = f"i{counter.bits}", f"align {counter.itemsize}"
    vector, places, masks = (f"<{lanes} x {kind}>" for kind in (element, number, "i1"))
    sign = "fcmp u" if is_float else "icmp u" if dtype.kind == "u" else "icmp s"
    beyond = f"{sign}{'gt' if fn == 'argmax' else 'lt'}"
    columns, width = prod(rest), TOGETHER * lanes
    inner = len(kept_dimensions(rest))

    def given(operand: str) -> str:
        return "".join(f", i64 %{operand}{d}" for d in range(inner))

    steps = -(-columns // width)
    out = [
        "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)",
        "declare i64 @llvm.umin.i64(i64, i64)",
        f"define void @{name}(ptr %a, i64 %pitch{given('a')}, "
        f"ptr %v{given('v')}, ptr %p{given('p')}) {{",
        "entry:",
        "  br label %first",
    ]
    fresh = iter(range(1 << 30))

    def let(text: str) -> str:
        out.append(f"  %x{(made := next(fresh))} = {text}")
        return f"%x{made}"

    def at(base: str, start: str, u: int, kind: str) -> str:
        return let(f"getelementptr {kind}, ptr {base}, i64 {let(f'add i64 {start}, {u * lanes}')}")

    def start_of(step: str) -> str:
        begin = let(f"mul i64 {step}, {width}")
        return let(f"call i64 @llvm.umin.i64(i64 {begin}, i64 {columns - width})")

    out += ["first:", "  %s = phi i64 [ 0, %entry ], [ %s2, %first ]"]
    start = start_of("%s")
    for u in range(TOGETHER):
        value = let(f"load {vector}, ptr {at('%a', start, u, element)}, {size}")
        out.append(f"  store {vector} {value}, ptr {at('%v', start, u, element)}, {size}")
        place = at("%p", start, u, number)
        out.append(f"  store {places} zeroinitializer, ptr {place}, {number_size}")
    out += [
        "  %s2 = add nuw nsw i64 %s, 1",
        f"  %s_more = icmp ult i64 %s2, {steps}",
        "  br i1 %s_more, label %first, label %rows",
        "rows:",
        "  %r = phi i64 [ 1, %first ], [ %r2, %row_end ]",
        "  %plain = phi i64 [ 0, %first ], [ %plain2, %row_end ]",
    ]
    row = let(f"getelementptr {element}, ptr %a, i64 {let('mul i64 %r, %pitch')}")
    short = let(f"trunc i64 %r to {number}") if counter.bits < 64 else "%r"
    one = let(f"insertelement {places} poison, {number} {short}, i32 0")
    here = let(f"shufflevector {places} {one}, {places} poison, <{lanes} x i32> zeroinitializer")

    def compared(step: str) -> tuple[str, list[tuple[str, str, str, str]]]:
        """The first column, and of each vector: value, best so far, its address, who is beyond."""
        start = start_of(step)
        found = []
        for u in range(TOGETHER):
            source, held = at(row, start, u, element), at("%v", start, u, element)
            value, best = (let(f"load {vector}, ptr {x}, {size}") for x in (source, held))
            ahead = let(f"getelementptr i8, ptr {source}, i64 {AHEAD_BYTES}")
            out.append(f"  call void @llvm.prefetch.p0(ptr {ahead}, i32 0, i32 3, i32 1)")
            found.append((value, best, held, let(f"{beyond} {vector} {value}, {best}")))
        return start, found

    def take(start: str, found: list[tuple[str, str, str, str]]) -> None:
        for u, (value, best, held, won) in enumerate(found):
            if is_float:
                won = let(f"and {masks} {won}, {let(f'fcmp ord {vector} {best}, {best}')}")
            kept = let(f"select {masks} {won}, {vector} {value}, {vector} {best}")
            out.append(f"  store {vector} {kept}, ptr {held}, {size}")
            place = at("%p", start, u, number)
            before = let(f"load {places}, ptr {place}, {number_size}")
            chosen = let(f"select {masks} {won}, {places} {here}, {places} {before}")
            out.append(f"  store {places} {chosen}, ptr {place}, {number_size}")

    out += [
        f"  br i1 {let('icmp eq i64 %plain, 0')}, label %look, label %all",
        "look:",
        "  %t = phi i64 [ 0, %rows ], [ %t2, %next ]",
        "  %n = phi i64 [ 0, %rows ], [ %n2, %next ]",
    ]
    start, found = compared("%t")
    some, *others = (won for *_, won in found)
    for other in others:
        some = let(f"or {masks} {some}, {other}")
    some = let(f"icmp ne i{lanes} {let(f'bitcast {masks} {some} to i{lanes}')}, 0")
    out += [f"  br i1 {some}, label %take, label %next", "take:"]
    take(start, found)
    out += [
        "  %n1 = add nuw nsw i64 %n, 1",
        "  br label %next",
        "next:",
        "  %n2 = phi i64 [ %n, %look ], [ %n1, %take ]",
        "  %t2 = add nuw nsw i64 %t, 1",
        f"  %t_more = icmp ult i64 %t2, {steps}",
        "  br i1 %t_more, label %look, label %looked",
        "looked:",
        f"  %many = icmp ugt i64 %n2, {steps // MANY}",
        f"  %wait = select i1 %many, i64 {PLAIN}, i64 0",
        "  br label %row_end",
        "all:",
        "  %w = phi i64 [ 0, %rows ], [ %w2, %all ]",
    ]
    take(*compared("%w"))
    out += [
        "  %w2 = add nuw nsw i64 %w, 1",
        f"  %w_more = icmp ult i64 %w2, {steps}",
        "  br i1 %w_more, label %all, label %stored",
        "stored:",
        "  %less = sub nuw nsw i64 %plain, 1",
        "  br label %row_end",
        "row_end:",
        "  %plain2 = phi i64 [ %wait, %looked ], [ %less, %stored ]",
        "  %r2 = add nuw nsw i64 %r, 1",
        f"  %r_more = icmp ult i64 %r2, {rows}",
        "  br i1 %r_more, label %rows, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(out)
