"""Boxes of arrays, brought by Hopper's tensor memory accelerator, and products of them.

::

    boxes = wgmma_boxes(float16, 128, "mk", "nk")
    boxes.load_a    target[rows, 64] = source[rows, 64], for rows of any number up to 256;
                    0 past the ends of the array
    boxes.product   C[64, 128] += A[64, 64] B[128, 64].T, sums in float32

One thread asks for a box; it comes by itself, while threads do other things. In shared memory it
has rows of 128 bytes, in which the 16 bytes of number ``n`` of row ``r`` lie at ``n ^ r % 8``.
Nobody but a product of boxes, done by four warps, can read that: what a box was loaded into may be
touched by such calls alone. Orders are "mk" and "nk" where neighbours in memory lie along the
reduction; "km" and "kn" are turned: ``A[64, 64]`` is k by m then, and ``B[n // 64, 64, n % 64]``.

A load stands in a pipelined loop, whose stages tell how far ahead it is; the loop has a slot for
each of them (`mlc.lower.cuda.load_boxes`). Kernels with boxes run on cards of sm_90a alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from ..dtypes import DType, as_dtype, float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Expr, Var, cast, load
from ..ir.intrinsic import Intrinsic, known, register
from ..ir.program import Accumulate, Buffer, For, Program, Scope, Stmt, Store
from .wgmma import COLUMNS, DEPTH, KINDS, NARROW, ROWS, THREADS, Wgmma, wgmma, wgmma_store

WIDE = 64  # elements of a row of a box: 128 bytes
MOST_ROWS = 256
ROW_BYTES = 16  # rows of an array begin at multiples of it, for boxes to be taken
MOST_DIMENSIONS = 5
PREFIX = "load_box_"
_PRODUCT, HELD = "wgmma_boxes_", "wgmma_held_"  # what names of products begin with
_A, _B = ("mk", "km"), ("nk", "kn")
_LOAD = re.compile(rf"{PREFIX}(\d+)x{WIDE}_(\w+)")
_TILE = re.compile(rf"wgmma_{ROWS}x(\d+)x(\d+)_\w+")


def is_box_load(name: str) -> bool:
    """Whether an intrinsic is one that loads boxes."""
    return name.startswith(PREFIX)


def boxes_read(name: str) -> slice:
    """Which operands of an intrinsic are boxes; none of most."""
    if name.startswith(_PRODUCT):
        return slice(0, 2)
    return slice(1, 2) if name.startswith(HELD) else slice(0, 0)


def why_no_boxes(buffer: Buffer, extents: Sequence[int]) -> str | None:
    """Why boxes of ``extents`` cannot be taken of ``buffer``; None where they can."""
    *steps, last = buffer.element_strides
    size = buffer.dtype.itemsize
    if not 2 <= buffer.ndim <= MOST_DIMENSIONS:
        return f"it has {buffer.ndim} dimensions, and 2 to {MOST_DIMENSIONS} are possible"
    if last != 1 or extents[-1] != WIDE:
        return f"a box has {WIDE} neighbours along the last dimension"
    for extent, step in zip(buffer.shape, steps):
        if extent > 1 and (step * size % ROW_BYTES or step <= 0):
            return f"its rows are {step * size} bytes apart, which is no multiple of {ROW_BYTES}"
    if not buffer.aligned:
        return f"it may begin anywhere, and must at a multiple of {ROW_BYTES} bytes"
    return None


def load_box(dtype: DType, rows: int, blocks: int = 1) -> str:
    """The name of ``target[rows, 64] = source[rows, 64]``; the box comes to the same place of all
    ``blocks`` of a cluster."""
    if dtype not in KINDS or not 8 <= rows <= MOST_ROWS or rows % 8:
        raise ArgumentError(
            f"a box has elements of float16 or bfloat16 and a multiple of 8 rows up to {MOST_ROWS} "
            f"here, got {dtype} and {rows}"
        )
    name = f"{PREFIX}{rows}x{WIDE}_{dtype}" + (f"_for_{blocks}" if blocks > 1 else "")
    source = Buffer("source", (rows, WIDE), dtype)
    target = Buffer("target", (rows, WIDE), dtype, scope=Scope.SHARED)
    i, j = Var("i"), Var("j")
    body: Stmt = Store(target, (i, j), load(source, (i, j)))
    meaning = Program(name, (source, target), For(i, rows, For(j, WIDE, body)))
    text = f"""template <class... At>
MLC_DEVICE void {name}(void *target, const MlcBoxes &source, const uint64_t *slot, At... at) {{
  mlc_load_box<{blocks}>(target, source, slot, at...);
}}"""
    register(Intrinsic(name, meaning, {"cuda": text}, zeros=frozenset({"source"})))
    return name


def box_loaded(name: str) -> tuple[int, DType]:
    """The rows and the type of what an intrinsic of this name loads, for one block."""
    found = _LOAD.fullmatch(name)
    assert found is not None, name
    return int(found[1]), as_dtype(found[2])


def named(name: str) -> Intrinsic | None:
    """The load of a box of this name, or the product of groups of warps, of boxes or not, which is
    made with those of all kinds and orders; None if it is none of them."""
    found = _LOAD.fullmatch(name)
    if found is not None and any(dtype.name == found[2] for dtype in KINDS):
        rows = int(found[1])
        fits = 8 <= rows <= MOST_ROWS and rows % 8 == 0
        return known(load_box(as_dtype(found[2]), rows)) if fits else None
    found = _TILE.fullmatch(name)
    if found is not None:
        columns, depth = int(found[1]), int(found[2])
        if columns in COLUMNS and depth and depth % DEPTH == 0:
            for dtype in KINDS:
                wgmma(dtype, columns, depth)
    _make_all()
    return known(name)


@cache
def _make_all() -> None:
    for dtype, columns, a, b in product(KINDS, COLUMNS, _A, _B):
        wgmma_boxes(dtype, columns, a, b)
    for columns, dtype in product(NARROW, (float32, *KINDS)):
        wgmma_store(columns, dtype)


@dataclass(frozen=True)
class Boxes:
    """The names of the intrinsics of one kind of product of boxes."""

    sums: Wgmma  # how sums begin and are stored, and their scope
    product: str


def wgmma_boxes(dtype: DType, columns: int = 64, a_order: str = "mk", b_order: str = "nk") -> Boxes:
    """The product of boxes of 64 steps, for 64 rows and 64, 128 or 256 columns."""
    sums = wgmma(dtype, columns)
    if a_order not in _A or b_order not in _B:
        raise ArgumentError(
            f"orders of boxes are one of {', '.join(_A)} and one of {', '.join(_B)}, got "
            f"{a_order!r} and {b_order!r}"
        )
    short, element = KINDS[dtype]
    a_turned, b_turned = a_order == "km", b_order == "kn"
    split = b_turned and columns > WIDE
    b_shape = (columns // WIDE, WIDE, WIDE) if split else (columns, WIDE)
    a = Buffer("A", (ROWS, WIDE), dtype, scope=Scope.SHARED)
    b = Buffer("B", b_shape, dtype, scope=Scope.SHARED)
    c = Buffer("C", (ROWS, columns), float32, scope=Scope(sums.scope_c))
    count = ROWS * columns // THREADS
    name = f"{_PRODUCT}{ROWS}x{columns}x{WIDE}_{a_order}_{b_order}_{dtype}"
    across = "int bo, " if split else ""
    step = {False: DEPTH, True: DEPTH * WIDE}
    kinds = f"{str(a_turned).lower()}, {str(b_turned).lower()}"
    text = f"""MLC_DEVICE void {name}(
    const {element} *a, int, int, const {element} *b, {across}int, int, float *c) {{
  float (&sums)[{count}] = *reinterpret_cast<float (*)[{count}]>(c);
  mlc_wgmma_begin_boxes();
  #pragma unroll
  for (int k = 0; k < {WIDE // DEPTH}; ++k)
    mlc_wgmma_boxes_m64n{columns}k{DEPTH}_{short}<{kinds}>(
        sums, a + k * {step[a_turned]}, 0, b + k * {step[b_turned]}, {"2 * bo" if across else 0});
  mlc_wgmma_commit();
}}"""
    meaning = Program(name, (a, b, c), _product(a, b, c, a_turned, b_turned))
    register(Intrinsic(name, meaning, {"cuda": text}, THREADS, {"C": count}))
    return Boxes(sums, name)


def _product(a: Buffer, b: Buffer, c: Buffer, a_turned: bool, b_turned: bool) -> Stmt:
    m, no, n, k = (Var(name) for name in ("m", "no", "n", "k"))
    split = len(b.shape) == 3
    right: tuple[Expr, ...] = (k, n) if b_turned else (n, k)
    right = (no, *right) if split else right
    left = (k, m) if a_turned else (m, k)
    value = cast(load(a, left), float32) * cast(load(b, right), float32)
    column = no * WIDE + n if split else n
    body: Stmt = Accumulate(reducer("sum", float32), (c,), (m, column), (value,))
    loops = [(k, WIDE), (n, WIDE if b_turned else b.shape[0])]
    loops += [(no, b.shape[0])] if split else []
    for var, extent in (*loops, (m, ROWS)):
        body = For(var, extent, body)
    return body
