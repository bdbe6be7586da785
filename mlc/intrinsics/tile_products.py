"""Products of bytes and of bfloat16 in the matrix tiles of a processor (AMX).

::

    tile_product(int8, uint8, rows=32, columns=32, depth=128)
                                C[32, 32] += A[32, 128] @ B[128, 32], as int32
    tile_product(bfloat16, bfloat16, rows=32, columns=32, depth=64)
                                the same as float32

A tile is 16 rows of 64 bytes. Four of them hold a block of 32 by 32 sums while the loop over the
depth runs: each step loads two tiles of either operand and multiplies each with each. Sums of more
rows and columns are made block by block, those at the edges in smaller ones.

Neighbours along the reduction that fill 4 bytes lie together in B: ``B[k // 4, j, k % 4]`` for
bytes, ``B[k // 2, j, k % 2]`` for bfloat16. As ``words`` each such group is one number of B, an
int32 whose lowest bits are the first of the group, and 32 columns make a panel:
``B[j // 32, k // 4, j % 32]``; what lies beyond the depth is multiplied by 0.

Sums of bytes are exact modulo 2**32, whichever operands have a sign. Those of bfloat16 take numbers
below 2**-126 in magnitude for zero, and are rounded to nearest at each pair of products.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..dtypes import DType, as_dtype, bfloat16, float32, int8, int32, uint8
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Axis, Expr, Var, apply, cast, const, select
from ..ir.intrinsic import Intrinsic, known, register
from ..ir.program import Accumulate, Block, Buffer, For, Iter, Program, Stmt, Store
from .tile_text import BLOCK, STEP_BYTES, TILE_COLUMNS, Product, panels_of, tile_text

PREFIX = "amx_"
BYTES = (int8, uint8)
_SIGNS = {int8: "s", uint8: "u"}


def is_pair(left: DType, right: DType) -> bool:
    """Whether there is an instruction for operands of these types."""
    return (left in BYTES and right in BYTES) or left is right is bfloat16


def sums_of(dtype: DType) -> DType:
    """The type of sums of products."""
    return float32 if dtype is bfloat16 else int32


def needs(dtype: DType) -> frozenset[str]:
    """What a processor must have to multiply tiles of ``dtype``, as LLVM calls it."""
    return frozenset({"amx-tile", "amx-bf16" if dtype is bfloat16 else "amx-int8"})


def steps_of(dtype: DType, depth: int) -> int:
    """How many tiles lie side by side along a reduction of ``depth``."""
    return -(-depth * dtype.itemsize // STEP_BYTES)


def tile_product(
    left: DType | str,
    right: DType | str,
    rows: int = 32,
    columns: int = 32,
    depth: int = 64,
    words: bool = False,
    begin: bool = False,
) -> Intrinsic:
    """The product of these sizes, ``amx_<left>_<right>_<rows>x<columns>x<depth>``.

    There are at least 2 ``rows``, a multiple of 16 ``columns``, and so many numbers in the depth
    that rows of A are a multiple of 64 bytes. As ``words`` (the name ends so), there are 16 columns
    or a multiple of 32, and any depth of more than one number. With ``begin`` (the last part of the
    name), C is written, not added to. Native code is used where the last dimension of each operand
    is contiguous, of B without ``words`` the last two.
    """
    left, right = as_dtype(left), as_dtype(right)
    if not is_pair(left, right):
        raise ArgumentError(
            f"tiles multiply int8 or uint8 with int8 or uint8, and bfloat16 with bfloat16; got "
            f"{left} and {right}"
        )
    step = STEP_BYTES // left.itemsize
    if rows < 2 or columns < 1 or columns % TILE_COLUMNS or depth < 2:
        raise ArgumentError(
            f"a product of tiles has at least 2 rows, a multiple of {TILE_COLUMNS} columns and a "
            f"depth of at least 2, got {rows}, {columns} and {depth}"
        )
    if words and columns % BLOCK and columns != TILE_COLUMNS:
        raise ArgumentError(
            f"columns={columns} is not a multiple of {BLOCK}, the columns of a panel of words; "
            f"fill up the last panel"
        )
    if depth % step and not words:
        raise ArgumentError(
            f"depth={depth} is not a multiple of {step}, the {left} numbers of a tile's row; fill "
            f"the operands up with zeros, or pack B as words"
        )
    name = f"{PREFIX}{left}_{right}_{rows}x{columns}x{depth}"
    name += ("_words" if words else "") + ("_begin" if begin else "")
    made = known(name)
    if made is not None:
        return made
    meaning = _meaning(name, left, right, (rows, columns, depth), words, begin)
    kind = "bf16ps" if left is bfloat16 else f"b{_SIGNS[left]}{_SIGNS[right]}d"
    text = tile_text(Product(name, kind, left.itemsize, rows, columns, depth, words, begin))
    near = {"A": 1, "B": 1 if words else 2, "C": 1}
    return register(Intrinsic(name, meaning, {"llvm": text}, needs=needs(left), near=near))


_NAME = re.compile(
    rf"{PREFIX}(u?int8|bfloat16)_(u?int8|bfloat16)_(\d+)x(\d+)x(\d+)(_words)?(_begin)?"
)


def named(name: str) -> Intrinsic | None:
    """The product of this name; None if it is not the name of one."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    rows, columns, depth = map(int, found.groups()[2:5])
    words, begin = (part is not None for part in found.groups()[5:])
    try:
        return tile_product(found[1], found[2], rows, columns, depth, words, begin)
    except ArgumentError:
        return None


def group_of(left: Sequence[Expr], right: Expr, dtype: DType) -> Expr:
    """The sum of the products of neighbours, ``left``, with those in ``right``, an int32 that holds
    as many numbers of ``dtype``."""
    total: Expr | None = None
    for place, value in enumerate(left):
        if dtype is bfloat16:
            bits = right & const(-65536, int32) if place else right << const(16, int32)
            other: Expr = apply("bitcast", bits, dtype=float32)
        else:
            moved = right >> const(8 * place, int32) if place else right
            other = cast(cast(moved, dtype), int32)
        product = cast(value, sums_of(dtype)) * other
        total = product if total is None else total + product
    assert total is not None
    return total


def neighbours(
    element: Callable[[Expr], Expr], group: Expr, dtype: DType, depth: int
) -> list[Expr]:
    """What `group_of` multiplies a word with: ``element`` at the indices of ``group`` along the
    reduction, 0 beyond ``depth``."""
    count = 4 // dtype.itemsize
    found: list[Expr] = []
    for place in range(count):
        at = group * count + place
        value = element(at)
        if depth * dtype.itemsize % STEP_BYTES:
            value = select(at < depth, value, const(0, dtype))
        found.append(value)
    return found


def _meaning(
    name: str,
    left: DType,
    right: DType,
    sizes: tuple[int, int, int],
    words: bool,
    begin: bool,
) -> Program:
    rows, columns, depth = sizes
    total, count = sums_of(left), 4 // left.itemsize
    groups = steps_of(left, depth) * STEP_BYTES // 4
    a, c = Buffer("A", (rows, depth), left), Buffer("C", (rows, columns), total)
    if words:
        panels, panel = panels_of(columns)
        b = Buffer("B", (panels, groups, panel), int32)
    else:
        b = Buffer("B", (groups, columns, count), right)
    m, n = Axis("m", rows), Axis("n", columns)
    k = Axis("q" if words else "k", groups if words else depth, is_reduce=True)
    if words:
        word = b[n // panel, k, n % panel] if panels > 1 else b[0, k, n]
        value = group_of(neighbours(lambda at: a[m, at], k, left, depth), word, right)
    else:
        value = cast(a[m, k], total) * cast(b[k // count, n, k % count], total)
    body: Stmt = Accumulate(reducer("sum", total), (c,), (m, n), (value,))
    init = Store(c, (m, n), const(0, total)) if begin else None
    loops = tuple(Var(axis.name) for axis in (m, n, k))
    iters = tuple(map(Iter, (m, n, k), loops))
    out: Stmt = Block("C", iters, body, init)
    for var, axis in zip(reversed(loops), (k, n, m)):
        out = For(var, axis.extent, out)
    return Program(name, (a, b, c), out)
