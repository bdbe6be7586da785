"""Transposed copies of blocks, by tiles that lie on cache lines wherever the block begins.

::

    transpose_block(16, float32, 256, 512)        B[256, 512] = A[512, 256].T

Rows of arrays seldom begin at a cache line, and a tile that straddles two of them takes twice as
long. So tiles begin where rows of A, and rows of B, come to a boundary; those at the edges overlap
their neighbours, and write the same elements once more. So neither extent need be a multiple of
anything.
"""

from __future__ import annotations

from ..dtypes import DType, as_dtype
from ..errors import ArgumentError
from ..ir.expr import Axis, Var, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Block, Buffer, For, Iter, Program, Store
from .transpose import tile_text

PREFIX = "transpose_block_"


def transpose_block(lanes: int, dtype: DType, rows: int, columns: int) -> Intrinsic:
    """The copy of a block, ``transpose_block_<dtype>_<lanes>_<rows>_<columns>``: of ``rows`` in B,
    by tiles of ``lanes``, a power of two and no more than ``rows`` and ``columns``."""
    if lanes < 2 or lanes & (lanes - 1) or lanes > min(rows, columns):
        raise ArgumentError(
            f"lanes of a transposed block must be a power of two and fit into it, got {lanes} for "
            f"{rows} by {columns}"
        )
    name = f"{PREFIX}{dtype.name}_{lanes}_{rows}_{columns}"
    meaning = _meaning(name, dtype, rows, columns)
    return register(Intrinsic(name, meaning, {"llvm": _text(name, lanes, dtype, rows, columns)}))


def named(name: str) -> Intrinsic | None:
    """The block that is called so; None where none is."""
    dtype, *sizes = name.removeprefix(PREFIX).split("_")
    if len(sizes) != 3 or not all(size.isdigit() for size in sizes):
        return None
    lanes, rows, columns = map(int, sizes)
    return transpose_block(lanes, as_dtype(dtype), rows, columns)


def _meaning(name: str, dtype: DType, rows: int, columns: int) -> Program:
    a, b = Buffer("A", (columns, rows), dtype), Buffer("B", (rows, columns), dtype)
    i, j = Var("i"), Var("j")
    vi, vj = Axis("vi", rows), Axis("vj", columns)
    block = Block("B", (Iter(vi, i), Iter(vj, j)), Store(b, (vi, vj), load(a, (vj, vi))))
    return Program(name, (a, b), For(i, rows, For(j, columns, block)))


def _text(name: str, lanes: int, dtype: DType, rows: int, columns: int) -> str:
    """``%xm`` elements of operand x lie between a boundary and its first; tile t of a row begins
    at element ``t * lanes - xm``."""
    element, shift = f"i{8 * dtype.itemsize}", lanes.bit_length() - 1
    out = [
        "declare i64 @llvm.smax.i64(i64, i64)",
        "declare i64 @llvm.smin.i64(i64, i64)",
        tile_text(f"{name}_tile", lanes, dtype),
        f"define void @{name}(ptr %a, i64 %as, i64 %at, ptr %b, i64 %bs, i64 %bt) {{",
        "entry:",
    ]
    for x, extent in (("a", rows), ("b", columns)):
        out += [
            f"  %{x}n = ptrtoint ptr %{x} to i64",
            f"  %{x}e = lshr i64 %{x}n, {dtype.itemsize.bit_length() - 1}",
            f"  %{x}o = and i64 %{x}e, {lanes - 1}",
            f"  %{x}r = and i64 %{x}s, {lanes - 1}",
            f"  %{x}z = icmp eq i64 %{x}r, 0",  # whether all rows begin alike
            f"  %{x}m = select i1 %{x}z, i64 %{x}o, i64 0",
            f"  %{x}u = add i64 %{x}m, {extent + lanes - 1}",
            f"  %{x}tiles = lshr i64 %{x}u, {shift}",
        ]

    def start(index: str, tile: str, x: str, extent: int) -> list[str]:
        return [
            f"  %{index}0 = shl i64 {tile}, {shift}",
            f"  %{index}1 = sub i64 %{index}0, %{x}m",
            f"  %{index}2 = call i64 @llvm.smax.i64(i64 %{index}1, i64 0)",
            f"  %{index} = call i64 @llvm.smin.i64(i64 %{index}2, i64 {extent - lanes})",
        ]

    return "\n".join([
        *out,
        "  br label %row",
        "row:",
        "  %r = phi i64 [ 0, %entry ], [ %r2, %next ]",
        *start("i", "%r", "a", rows),
        "  %ai = mul i64 %i, %at",
        "  %bi = mul i64 %i, %bs",
        "  br label %column",
        "column:",
        "  %c = phi i64 [ 0, %row ], [ %c2, %column ]",
        *start("j", "%c", "b", columns),
        "  %aj = mul i64 %j, %as",
        "  %bj = mul i64 %j, %bt",
        "  %ax = add i64 %aj, %ai",
        "  %bx = add i64 %bj, %bi",
        f"  %pa = getelementptr {element}, ptr %a, i64 %ax",
        f"  %pb = getelementptr {element}, ptr %b, i64 %bx",
        f"  call void @{name}_tile(ptr %pa, i64 %as, i64 %at, ptr %pb, i64 %bs, i64 %bt)",
        "  %c2 = add i64 %c, 1",
        "  %cc = icmp slt i64 %c2, %btiles",
        "  br i1 %cc, label %column, label %next",
        "next:",
        "  %r2 = add i64 %r, 1",
        "  %rc = icmp slt i64 %r2, %atiles",
        "  br i1 %rc, label %row, label %done",
        "done:",
        "  ret void",
        "}",
    ])  # fmt: skip
