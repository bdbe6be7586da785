"""Longer rows divided by pivots until parts are short enough for the network that sorts them.

What is less than the pivot goes to the spare memory, what is greater stays in front, and elements
that are equal to it are written to where they belong at once. Then each side has the memory that
the other one left. The pivot is the middle one of a sample. Where parts go on being uneven, NumPy's
function for integers sorts the keys.
"""

from __future__ import annotations

from collections.abc import Callable

from .key_text import KeyText
from .sorting_network import BLOCK, sort_few


def sort_many(name: str, t: KeyText, most: int, fallback: str) -> None:
    """The lines of ``void name(ptr a, ptr x, ptr y, i64 n, ptr to, i64 depth)``: n elements of
    ``a`` in order, which may be where they are; x and y are memory for as many. Parts of ``most``
    elements go to the network."""
    sort_few("few", t, most, keys=True)
    t.add(
        f"declare {t.vector} {_compress(t)}({t.vector}, {t.masks}, {t.vector})",
        f"declare i{t.lanes} @llvm.ctpop.i{t.lanes}(i{t.lanes})",
        f"declare i32 {fallback}(ptr, i64, ptr)",
    )
    _divide("divide", t, most, fallback)
    _divide(name, t, most, None)


def _compress(t: KeyText) -> str:
    return f"@llvm.experimental.vector.compress.{t.mangled}"


def _divide(name: str, t: KeyText, most: int, fallback: str | None) -> None:
    """One division, and then those of its sides. The outermost one, without a ``fallback``, reads
    elements, those inside read keys, and what they read is x."""
    v, kind, lanes, align = t.vector, t.kind, t.lanes, t.dtype.itemsize
    sample = lanes * BLOCK
    is_first = fallback is None
    t.add(
        f"define void @{name}(ptr %a, ptr %x, ptr %y, i64 %n, ptr %to, i64 %depth) {{",
        "entry:",
        f"  %s = alloca [{BLOCK} x {v}], align 64",
        f"  %whole = sdiv i64 %n, {lanes}",
        f"  %rest = srem i64 %n, {lanes}",
    )
    here = t.lanes_before("%rest")

    def read(i: str) -> str:
        x = t.let(f"load {v}, ptr {t.at('%a', i)}, align {align}")
        return t.key(x) if is_first else x

    def read_rest() -> str:
        x = t.masked_read(t.at("%a", "%whole"), here)
        return t.key(x) if is_first else x

    def copy(base: str, made: Callable[[str], str]) -> None:
        t.loop("copy", "0", "%whole", 1, lambda i: t.add(
            f"  store {v} {made(read(i))}, ptr {t.at(base, i)}, align {align}"
        ))  # fmt: skip
        t.masked_write(made(read_rest()), t.at(base, "%whole"), here)

    t.add(
        f"  %short = icmp sle i64 %n, {most}",
        "  br i1 %short, label %few, label %many",
        "few:",
    )
    if is_first:
        copy("%x", lambda key: key)
    t.add("  call void @few(ptr %x, i64 %n, ptr %to)", "  ret void", "many:")
    if fallback is not None:
        t.add(
            "  %deep = icmp eq i64 %depth, 0",
            "  br i1 %deep, label %uneven, label %even",
            "uneven:",
            f"  %code = call i32 {fallback}(ptr %x, i64 %n, ptr null)",
        )
        copy("%to", t.element)
        t.add("  ret void", "even:")
    t.add(f"  %apart = sdiv i64 %whole, {BLOCK}")
    for k in range(BLOCK):
        t.store(read(t.let(f"mul i64 %apart, {k}")), t.at("%s", str(k)))
    t.add(
        f"  call void @few(ptr %s, i64 {sample}, ptr %s)",
        f"  %middle = getelementptr {kind}, ptr %s, i64 {sample // 2}",
        f"  %found = load {kind}, ptr %middle",
    )
    pivots = t.key(t.all_lanes("%found"))
    alike = t.element(pivots)

    def moved(which: str, keys: str, among: str | None, base: str, at: str) -> str:
        """The keys of one side written behind those before; where the next ones go."""
        side = t.let(f"icmp {which} {v} {keys}, {pivots}")
        if among is not None:
            side = t.let(f"and {t.masks} {side}, {among}")
        bits = t.let(f"bitcast {t.masks} {side} to i{lanes}")
        many = t.let(f"call i{lanes} @llvm.ctpop.i{lanes}(i{lanes} {bits})")
        many = t.let(f"zext i{lanes} {many} to i64")
        together = t.let(f"call {v} {_compress(t)}({v} {keys}, {t.masks} {side}, {v} poison)")
        place = t.let(f"getelementptr {kind}, ptr {base}, i64 {at}")
        if among is None:  # whole vectors reach no further than what has been read
            t.add(f"  store {v} {together}, ptr {place}, align {align}")
        else:
            above = t.let(f"shl i64 1, {many}")
            filled = t.let(f"trunc i64 {t.let(f'sub i64 {above}, 1')} to i{lanes}")
            filled = t.let(f"bitcast i{lanes} {filled} to {t.masks}")
            t.masked_write(together, place, filled)
        return t.let(f"add i64 {at}, {many}")

    t.add("  br label %start", "start:", "  br label %head", "head:")
    phis = len(t.lines)
    t.add(
        "  %all = icmp eq i64 %i, %whole",
        "  br i1 %all, label %tail, label %body",
        "body:",
    )
    keys = read("%i")
    less, more = moved("slt", keys, None, "%y", "%less"), moved("sgt", keys, None, "%x", "%more")
    t.add("  %i_next = add i64 %i, 1", "  br label %head", "tail:")
    t.lines[phis:phis] = [
        "  %i = phi i64 [ 0, %start ], [ %i_next, %body ]",
        f"  %less = phi i64 [ 0, %start ], [ {less}, %body ]",
        f"  %more = phi i64 [ 0, %start ], [ {more}, %body ]",
    ]
    keys = read_rest()
    less = moved("slt", keys, here, "%y", "%less")
    more = moved("sgt", keys, here, "%x", "%more")
    behind = t.let(f"sub i64 %n, {more}")
    equal = t.let(f"sub i64 {behind}, {less}")
    between = t.let(f"getelementptr {kind}, ptr %to, i64 {less}")
    vectors = t.let(f"sdiv i64 {equal}, {lanes}")
    t.loop("equal", "0", vectors, 1, lambda i: t.add(
        f"  store {v} {alike}, ptr {t.at(between, i)}, align {align}"
    ))  # fmt: skip
    over = t.lanes_before(t.let(f"srem i64 {equal}, {lanes}"))
    t.masked_write(alike, t.at(between, vectors), over)
    room = t.let(f"sub i64 %n, {less}")
    own = t.let(f"getelementptr {kind}, ptr %x, i64 {room}")
    other = t.let(f"getelementptr {kind}, ptr %y, i64 {less}")
    last = t.let(f"getelementptr {kind}, ptr %to, i64 {behind}")
    t.add(
        "  %deeper = sub i64 %depth, 1",
        f"  call void @divide(ptr %y, ptr %y, ptr {own}, i64 {less}, ptr %to, i64 %deeper)",
        f"  call void @divide(ptr %x, ptr %x, ptr {other}, i64 {more}, ptr {last}, i64 %deeper)",
        "  ret void",
        "}",
    )
