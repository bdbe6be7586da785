"""Transposed copies of blocks, by tiles that lie on cache lines wherever the block begins.

::

    transpose_block(16, float32, 256, 512)        B[256, 512] = A[512, 256].T

Rows of arrays seldom begin at a cache line, and a tile that straddles two of them takes twice as
long. So tiles begin where rows of A, and rows of B, come to a boundary; those at the edges overlap
their neighbours, and write the same elements once more. So neither extent need be a multiple of
anything.

Of blocks of a B that no cache holds, ``transpose_block(..., past=True)``, whole lines of B are
written past the caches. That may be in any order, and so tiles go along rows of A, which processors
read ahead; else they go along rows of B.
"""

from __future__ import annotations

from ..dtypes import DType, as_dtype
from ..errors import ArgumentError
from ..ir.expr import Axis, Var, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Block, Buffer, For, Iter, Program, Store
from .transpose import LINE, tile_text

PREFIX = "transpose_block_"
PAIR = 2  # cache lines that memory takes as quickly as one
FENCE = "declare void @llvm.x86.sse.sfence()"


def transpose_block(
    lanes: int, dtype: DType, rows: int, columns: int, past: bool = False
) -> Intrinsic:
    """The copy of a block, ``transpose_block_<dtype>_<lanes>_<rows>_<columns>[_past]``: of ``rows``
    in B, by tiles of ``lanes``, a power of two and no more than ``rows`` and ``columns``. Those
    written ``past`` the caches come side by side, as many as fill two lines."""
    if lanes < 2 or lanes & (lanes - 1) or lanes > min(rows, columns):
        raise ArgumentError(
            f"lanes of a transposed block must be a power of two and fit into it, got {lanes} for "
            f"{rows} by {columns}"
        )
    beside = tiles_beside(lanes, dtype) if past else 1
    if past and (lanes * dtype.itemsize > LINE or columns < beside * lanes):
        raise ArgumentError(
            f"tiles that are written past the caches have rows of {LINE} bytes or less and fill "
            f"{PAIR} cache lines side by side, got {lanes} lanes of {dtype.name} for {columns} "
            f"columns; leave past out, or take {LINE // dtype.itemsize} lanes and more columns"
        )
    name = f"{PREFIX}{dtype.name}_{lanes}_{rows}_{columns}{'_past' if past else ''}"
    meaning, needs = _meaning(name, dtype, rows, columns), frozenset({"avx2"} if past else ())
    text = _text(name, lanes, dtype, rows, columns, beside)
    return register(Intrinsic(name, meaning, {"llvm": text}, needs=needs))


def tiles_beside(lanes: int, dtype: DType) -> int:
    """How many tiles of ``lanes`` fill the cache lines that are written past the caches at once."""
    return PAIR * LINE // (lanes * dtype.itemsize)


def named(name: str) -> Intrinsic | None:
    """The block that is called so; None where none is."""
    dtype, *sizes = name.removeprefix(PREFIX).removesuffix("_past").split("_")
    if len(sizes) != 3 or not all(size.isdigit() for size in sizes):
        return None
    lanes, rows, columns = map(int, sizes)
    return transpose_block(lanes, as_dtype(dtype), rows, columns, name.endswith("_past"))


def _meaning(name: str, dtype: DType, rows: int, columns: int) -> Program:
    a, b = Buffer("A", (columns, rows), dtype), Buffer("B", (rows, columns), dtype)
    i, j = Var("i"), Var("j")
    vi, vj = Axis("vi", rows), Axis("vj", columns)
    block = Block("B", (Iter(vi, i), Iter(vj, j)), Store(b, (vi, vj), load(a, (vj, vi))))
    return Program(name, (a, b), For(i, rows, For(j, columns, block)))


def _text(name: str, lanes: int, dtype: DType, rows: int, columns: int, beside: int) -> str:
    """``%xm`` elements of operand x lie between a boundary and its first; tile t of a row begins
    at element ``t * lanes - xm``. Several ``beside`` each other go past the caches."""
    element, wide, past = f"i{8 * dtype.itemsize}", lanes * beside, beside > 1
    sides = ("a", rows, lanes), ("b", columns, wide)  # what is done at once
    out = [
        "declare i64 @llvm.smax.i64(i64, i64)",
        "declare i64 @llvm.smin.i64(i64, i64)",
        tile_text(f"{name}_tile", lanes, dtype),
        *([tile_text(f"{name}_lines", lanes, dtype, beside=beside), FENCE] if past else []),
        f"define void @{name}(ptr %a, i64 %as, i64 %at, ptr %b, i64 %bs, i64 %bt) {{",
        "entry:",
    ]
    for x, extent, side in sides:
        out += [
            f"  %{x}n = ptrtoint ptr %{x} to i64",
            f"  %{x}e = lshr i64 %{x}n, {dtype.itemsize.bit_length() - 1}",
            f"  %{x}o = and i64 %{x}e, {side - 1}",
            f"  %{x}r = and i64 %{x}s, {side - 1}",
            f"  %{x}z = icmp eq i64 %{x}r, 0",  # whether all rows begin alike
            f"  %{x}m = select i1 %{x}z, i64 %{x}o, i64 0",
            f"  %{x}u = add i64 %{x}m, {extent + side - 1}",
            f"  %{x}tiles = lshr i64 %{x}u, {side.bit_length() - 1}",
        ]

    def start(index: str, tile: str, x: str, extent: int, side: int) -> list[str]:
        return [
            f"  %{index}0 = shl i64 {tile}, {side.bit_length() - 1}",
            f"  %{index}1 = sub i64 %{index}0, %{x}m",
            f"  %{index}2 = call i64 @llvm.smax.i64(i64 %{index}1, i64 0)",
            f"  %{index} = call i64 @llvm.smin.i64(i64 %{index}2, i64 {extent - side})",
        ]

    row = start("i", "%r", *sides[0]), "r", "a"
    column = start("j", "%c", *sides[1]), "c", "b"
    (outer, first, far), (inner, second, near) = (column, row) if past else (row, column)
    return "\n".join([
        *out,
        "  br label %outer",
        "outer:",
        f"  %{first} = phi i64 [ 0, %entry ], [ %{first}2, %next ]",
        *outer,
        "  br label %inner",
        "inner:",
        f"  %{second} = phi i64 [ 0, %outer ], [ %{second}2, %turned ]",
        *inner,
        "  %ai = mul i64 %i, %at",
        "  %bi = mul i64 %i, %bs",
        "  %aj = mul i64 %j, %as",
        "  %bj = mul i64 %j, %bt",
        "  %ax = add i64 %aj, %ai",
        "  %bx = add i64 %bj, %bi",
        f"  %pa = getelementptr {element}, ptr %a, i64 %ax",
        f"  %pb = getelementptr {element}, ptr %b, i64 %bx",
        *(_past(name, lanes, element, beside) if past else _near(name)),
        "turned:",
        f"  %{second}2 = add i64 %{second}, 1",
        f"  %{second}c = icmp slt i64 %{second}2, %{near}tiles",
        f"  br i1 %{second}c, label %inner, label %next",
        "next:",
        f"  %{first}2 = add i64 %{first}, 1",
        f"  %{first}c = icmp slt i64 %{first}2, %{far}tiles",
        f"  br i1 %{first}c, label %outer, label %done",
        "done:",
        *(["  call void @llvm.x86.sse.sfence()"] if past else []),
        "  ret void",
        "}",
    ])  # fmt: skip


def _call(tile: str, at: str = "p") -> str:
    return f"  call void @{tile}(ptr %{at}a, i64 %as, i64 %at, ptr %{at}b, i64 %bs, i64 %bt)"


def _near(name: str) -> list[str]:
    return [_call(f"{name}_tile"), "  br label %turned"]


def _past(name: str, lanes: int, element: str, beside: int) -> list[str]:
    """Tiles ``beside`` each other whose rows in B are whole lines go past the caches, others do
    not."""
    size = int(element[1:]) // 8
    out = [
        "  %pn = ptrtoint ptr %pb to i64",
        f"  %po = and i64 %pn, {LINE - 1}",
        f"  %pr = and i64 %bs, {LINE // size - 1}",
        "  %pe = or i64 %po, %pr",
        "  %whole = icmp eq i64 %pe, 0",
        "  br i1 %whole, label %past, label %plain",
        "past:",
        _call(f"{name}_lines"),
        "  br label %turned",
        "plain:",
        _call(f"{name}_tile"),
    ]
    for n in range(1, beside):
        for x, stride in ("a", "s"), ("b", "t"):
            out += [
                f"  %q{n}{stride} = mul i64 %{x}{stride}, {n * lanes}",
                f"  %q{n}{x} = getelementptr {element}, ptr %p{x}, i64 %q{n}{stride}",
            ]
        out.append(_call(f"{name}_tile", f"q{n}"))
    return [*out, "  br label %turned"]
