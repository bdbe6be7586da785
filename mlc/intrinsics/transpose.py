"""Transposed copies of square tiles, held in vector registers.

::

    transpose_tile(16, float32)        B[16, 16] = A[16, 16].T

Each row of A is loaded as one vector; log2(lanes) rounds of shuffles swap ever larger blocks across
the diagonal (Eklundh, 1972); each row of B is stored as one vector. Where the rows of A or B are
not contiguous, element by element is copied.

Tiles of 64 bytes across of one- and two-byte elements go through memory on the stack, so that each
cache line is read and written once, however far apart the rows are: parts of 16 bytes are turned
four at a time by interleaving rows (perfect shuffles).
"""

from __future__ import annotations

from ..dtypes import DType
from ..errors import ArgumentError
from ..ir.expr import Axis, Var, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Block, Buffer, For, Iter, Program, Stmt, Store

LINE = 64  # bytes of a cache line
PAST = "!nontemporal !{i32 1}"  # a hint that a store passes the caches by
NEITHER = (False, False)


def transpose_tile(lanes: int, dtype: DType, flips: tuple[bool, bool] = NEITHER) -> Intrinsic:
    """The copy of a tile of ``lanes`` by ``lanes`` elements, ``transpose_<dtype>_<lanes>``.

    ``lanes`` is a power of two: the elements of one vector register. ``flips`` says whether the
    rows of A are taken from the last to the first, and whether its columns are.
    """
    if lanes < 2 or lanes & (lanes - 1):
        raise ArgumentError(f"lanes of a transposed tile must be a power of two, got {lanes}")
    name = f"transpose_{dtype.name}_{lanes}"
    name += "".join(f"_{side}" for side, flip in zip(("rows", "columns"), flips) if flip)
    text = tile_text(name, lanes, dtype, flips)
    return register(Intrinsic(name, _meaning(name, lanes, dtype, flips), {"llvm": text}))


def line_of(dtype: DType) -> int:
    """The lanes of the tiles that go by whole cache lines, 0 where others serve as well."""
    return LINE // dtype.itemsize if dtype.itemsize <= 2 else 0


def _meaning(name: str, lanes: int, dtype: DType, flips: tuple[bool, bool]) -> Program:
    a, b = Buffer("A", (lanes, lanes), dtype), Buffer("B", (lanes, lanes), dtype)
    i, j = Var("i"), Var("j")
    vi, vj = Axis("vi", lanes), Axis("vj", lanes)
    at = [lanes - 1 - v if flip else v for v, flip in zip((vj, vi), flips, strict=True)]
    store = Store(b, (vi, vj), load(a, tuple(at)))
    body: Stmt = Block("B", (Iter(vi, i), Iter(vj, j)), store)
    return Program(name, (a, b), For(i, lanes, For(j, lanes, body)))


def _loaded(lanes: int, dtype: DType, first: int) -> tuple[list[str], list[str]]:
    """The tile of A that begins with row ``first``, turned in registers: lines, and the names of
    its rows."""
    element, align = f"i{8 * dtype.itemsize}", dtype.itemsize
    vector = f"<{lanes} x {element}>"
    out: list[str] = []
    rows = [f"%r0_{n}" for n in range(first, first + lanes)]
    for n, row in enumerate(rows, first):
        out += [
            f"  %ao{n} = mul i64 %as, {n}",
            f"  %ap{n} = getelementptr {element}, ptr %a, i64 %ao{n}",
            f"  {row} = load {vector}, ptr %ap{n}, align {align}",
        ]
    step, turn = lanes // 2, 1
    while step:
        fresh = list(rows)
        for n in range(lanes):
            if n & step:
                continue
            low = [x if not x & step else lanes + x - step for x in range(lanes)]
            high = [x + step if not x & step else lanes + x for x in range(lanes)]
            for place, picks in ((n, low), (n + step, high)):
                fresh[place] = f"%r{turn}_{first + place}"
                mask = ", ".join(f"i32 {p}" for p in picks)
                out.append(
                    f"  {fresh[place]} = shufflevector {vector} {rows[n]}, {vector} "
                    f"{rows[n + step]}, <{lanes} x i32> <{mask}>"
                )
        rows, step, turn = fresh, step // 2, turn + 1
    return out, rows


def _turned(lanes: int, dtype: DType, beside: int) -> list[str]:
    """``beside`` tiles below each other in A, and beside each other in B. Rows of several of them
    go to B one by one, past the caches: memory takes whole lines, or pairs of them, at once."""
    element = f"i{8 * dtype.itemsize}"
    tiles = [_loaded(lanes, dtype, n * lanes) for n in range(beside)]
    out = [line for lines, _ in tiles for line in lines]
    begin = min(LINE, lanes * dtype.itemsize)
    stored = f"align {begin}, {PAST}" if beside > 1 else f"align {dtype.itemsize}"
    for n in range(lanes):
        out.append(f"  %bo{n} = mul i64 %bs, {n}")
        for m, (_, rows) in enumerate(tiles):
            place, base = f"%bp{n}_{m}", f"%bp{n}_{m - 1}" if m else "%b"
            offset = lanes if m else f"%bo{n}"
            out += [
                f"  {place} = getelementptr {element}, ptr {base}, i64 {offset}",
                f"  store <{lanes} x {element}> {rows[n]}, ptr {place}, {stored}",
            ]
    return out


def _turned_lines(lanes: int, dtype: DType, beside: int) -> list[str]:
    """The tiles by way of ``%s``: L rows of 64 bytes of each, 16 of which come from one part."""
    element, align = f"i{8 * dtype.itemsize}", dtype.itemsize
    vector, part = f"<{lanes} x {element}>", 16 // dtype.itemsize
    groups, width = lanes // part, lanes * beside
    stored = f"align {LINE}, {PAST}" if beside > 1 else f"align {align}"
    out = [
        "  br label %part",
        "part:",
        "  %p = phi i64 [ 0, %tile ], [ %p2, %part ]",
        f"  %pr = mul i64 %p, {part}",
        f"  %column = getelementptr {element}, ptr %s, i64 %pr",
    ]
    for n in range(part):
        out += [
            f"  %an{n} = add i64 %pr, {n}",
            f"  %ao{n} = mul i64 %as, %an{n}",
            f"  %ap{n} = getelementptr {element}, ptr %a, i64 %ao{n}",
            f"  %r0_{n} = load {vector}, ptr %ap{n}, align {align}",
        ]
    rows = [f"%r0_{n}" for n in range(part)]
    for turn in range(1, part.bit_length()):
        fresh: list[str] = []
        for n in range(part // 2):
            for half in range(2):
                picks = [
                    group * part + half * (part // 2) + x // 2 + lanes * (x % 2)
                    for group in range(groups)
                    for x in range(part)
                ]
                mask = ", ".join(f"i32 {pick}" for pick in picks)
                fresh.append(f"%r{turn}_{len(fresh)}")
                out.append(
                    f"  {fresh[-1]} = shufflevector {vector} {rows[n]}, {vector} "
                    f"{rows[n + part // 2]}, <{lanes} x i32> <{mask}>"
                )
        rows = fresh
    for n, row in enumerate(rows):
        for group in range(groups):
            mask = ", ".join(f"i32 {group * part + x}" for x in range(part))
            out += [
                f"  %e{n}_{group} = shufflevector {vector} {row}, {vector} poison, "
                f"<{part} x i32> <{mask}>",
                f"  %d{n}_{group} = getelementptr {element}, ptr %column, "
                f"i64 {(group * part + n) * width}",
                f"  store <{part} x {element}> %e{n}_{group}, ptr %d{n}_{group}, align 16",
            ]
    out += [
        "  %p2 = add nuw nsw i64 %p, 1",
        f"  %pc = icmp ult i64 %p2, {width // part}",
        "  br i1 %pc, label %part, label %line",
        "line:",
        "  %q = phi i64 [ 0, %part ], [ %q2, %line ]",
        f"  %qs = mul i64 %q, {width}",
        f"  %qp0 = getelementptr {element}, ptr %s, i64 %qs",
        "  %qb = mul i64 %q, %bs",
        f"  %qt0 = getelementptr {element}, ptr %b, i64 %qb",
    ]
    for m in range(beside):
        if m:
            out += [
                f"  %q{x}{m} = getelementptr {element}, ptr %q{x}{m - 1}, i64 {lanes}" for x in "pt"
            ]
        out += [
            f"  %qv{m} = load {vector}, ptr %qp{m}, align {LINE}",
            f"  store {vector} %qv{m}, ptr %qt{m}, {stored}",
        ]
    out += [
        "  %q2 = add nuw nsw i64 %q, 1",
        f"  %qc = icmp ult i64 %q2, {lanes}",
        "  br i1 %qc, label %line, label %done",
    ]
    return out


def tile_text(
    name: str,
    lanes: int,
    dtype: DType,
    flips: tuple[bool, bool] = NEITHER,
    beside: int = 1,
) -> str:
    """The LLVM function ``name``. ``%xs`` and ``%xt`` are the strides of operand x in elements.
    Several tiles ``beside`` each other in B, whose rows begin at cache lines and fill them, are
    written past the caches.

    Flips are strides turned round. Where columns of A are neighbours in falling order, the tile is
    read as it lies and its rows are stored in falling order.
    """
    element = f"i{8 * dtype.itemsize}"
    align, last = dtype.itemsize, lanes - 1
    out = [
        f"define void @{name}(ptr %a0, i64 %as0, i64 %at0, ptr %b0, i64 %bs0, i64 %bt) {{",
        "entry:",
        f"  %ar = mul i64 %as0, {last if flips[0] else 0}",
        f"  %ac = mul i64 %at0, {last if flips[1] else 0}",
        "  %ao = add i64 %ar, %ac",
        f"  %af = getelementptr {element}, ptr %a0, i64 %ao",
        f"  %as = mul i64 %as0, {-1 if flips[0] else 1}",
        f"  %at = mul i64 %at0, {-1 if flips[1] else 1}",
        "  %rising = icmp eq i64 %at, 1",
        "  %falling = icmp eq i64 %at, -1",
        "  %near = or i1 %rising, %falling",
        f"  %back = select i1 %falling, i64 {-last}, i64 0",
        f"  %a = getelementptr {element}, ptr %af, i64 %back",
        f"  %bend = mul i64 %bs0, {last}",
        "  %bo = select i1 %falling, i64 %bend, i64 0",
        f"  %b = getelementptr {element}, ptr %b0, i64 %bo",
        "  %bneg = sub i64 0, %bs0",
        "  %bs = select i1 %falling, i64 %bneg, i64 %bs0",
        "  %b1 = icmp eq i64 %bt, 1",
        "  %close = and i1 %near, %b1",
        "  br i1 %close, label %tile, label %row",
        "tile:",
    ]
    if lanes == line_of(dtype):
        out.insert(2, f"  %s = alloca [{lanes * lanes * beside} x {element}], align 64")
        out += _turned_lines(lanes, dtype, beside)
    else:
        out += [*_turned(lanes, dtype, beside), "  ret void"]
    out += [
        "row:",
        "  %i = phi i64 [ 0, %entry ], [ %i2, %next ]",
        "  br label %cell",
        "cell:",
        "  %j = phi i64 [ 0, %row ], [ %j2, %cell ]",
        "  %aj = mul i64 %j, %as",
        "  %ai = mul i64 %i, %at",
        "  %ax = add i64 %aj, %ai",
        "  %bi = mul i64 %i, %bs0",
        "  %bj = mul i64 %j, %bt",
        "  %bx = add i64 %bi, %bj",
        f"  %pa = getelementptr {element}, ptr %af, i64 %ax",
        f"  %pb = getelementptr {element}, ptr %b0, i64 %bx",
        f"  %e = load {element}, ptr %pa, align {align}",
        f"  store {element} %e, ptr %pb, align {align}",
        "  %j2 = add nuw nsw i64 %j, 1",
        f"  %jc = icmp ult i64 %j2, {lanes * beside}",
        "  br i1 %jc, label %cell, label %next",
        "next:",
        "  %i2 = add nuw nsw i64 %i, 1",
        f"  %ic = icmp ult i64 %i2, {lanes}",
        "  br i1 %ic, label %row, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(out)
