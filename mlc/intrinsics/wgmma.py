"""Products of larger tiles on Hopper's tensor cores, ``wgmma``, as intrinsics.

::

    tile = wgmma(float16)                   C[64, 64] += A[64, 16] B[64, 16].T, sums in float32
    tile = wgmma(float16, 128, depth=64)    C[64, 128] += A[64, 64] B[128, 64].T

Four warps do a call together: threadIdx.x counts 128 threads. Both operands are read from shared
memory, where they lie in pieces of 8 x 8, each 128 bytes in a row: ``A[m // 8, k // 8, m % 8,
k % 8]`` and ``B[n // 8, k // 8, n % 8, k % 8]``, as ``transform_layout`` makes them. Each warp
holds 16 rows of C, in the way of `mlc.intrinsics.fragments`. A product goes on while threads do
other things, and `mlc.lower.cuda.await_products` finds who has to wait for it. Kernels
with such calls run on cards of architecture sm_90a alone; on others they end with an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dtypes import DType, bfloat16, float16, float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Var, cast, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Accumulate, Buffer, For, Program, Scope, Stmt
from .mma import stored

THREADS = 128
ROWS, DEPTH, PIECE = 64, 16, 8  # of one instruction, and of what lies in one piece
COLUMNS = (64, 128, 256)
NARROW = (32, 64, 128)  # columns that can be stored on their own
PANELS = "wgmma.mn"  # the scope of sums: a thread holds those of 8 columns after those of 8 before
KINDS = {float16: ("f16", "mlc_half"), bfloat16: ("bf16", "mlc_bfloat16")}
_LANE = "threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + e / 2 % 2 * 8"


@dataclass(frozen=True)
class Wgmma:
    """The names of the intrinsics of one kind of product, and where the sums live."""

    fill: str
    product: str
    store: str
    scope_c: str = PANELS


def goes_on(name: str) -> bool:
    """Whether an intrinsic is a product that goes on after its call, by whatever family."""
    return name.startswith((f"wgmma_{ROWS}x", "wgmma_boxes_", "wgmma_held_"))


def wgmma(dtype: DType, columns: int = 64, depth: int = DEPTH) -> Wgmma:
    """The product of tiles of ``dtype``, float16 or bfloat16, with 64, 128 or 256 columns;
    ``depth`` is a multiple of 16."""
    if dtype not in KINDS:
        raise ArgumentError(f"wgmma multiplies float16 and bfloat16 here, got {dtype}")
    if columns not in COLUMNS or depth < DEPTH or depth % DEPTH:
        raise ArgumentError(
            f"wgmma has 64, 128 or 256 columns and a depth that is a multiple of {DEPTH} here, got "
            f"{columns} and {depth}"
        )
    short, element = KINDS[dtype]
    tail = "" if columns == COLUMNS[0] else f"_{columns}"
    product = f"wgmma_{ROWS}x{columns}x{depth}_{dtype}"
    names = Wgmma(f"wgmma_fill_float32{tail}", product, f"wgmma_store_float32{tail}")
    a = Buffer("A", (ROWS // PIECE, depth // PIECE, PIECE, PIECE), dtype, scope=Scope.SHARED)
    b = Buffer("B", (columns // PIECE, depth // PIECE, PIECE, PIECE), dtype, scope=Scope.SHARED)
    c = Buffer("C", (ROWS, columns), float32, scope=Scope(names.scope_c))
    target = Buffer("target", c.shape, float32)
    count = ROWS * columns // THREADS
    held = {"C": count}
    fill = f"""MLC_DEVICE void {names.fill}(float *c) {{
  #pragma unroll
  for (int e = 0; e < {count}; ++e) c[e] = 0;
}}"""
    store = _store_text(names.store, count)
    text = f"""MLC_DEVICE void {names.product}(
    const {element} *a, int am, int ak, int ai, int aj,
    const {element} *b, int bn, int bk, int bi, int bj, float *c) {{
  mlc_require(ai == 8 && aj == 1 && bi == 8 && bj == 1, "pieces of 8 x 8 must lie in one row");
  float (&sums)[{count}] = *reinterpret_cast<float (*)[{count}]>(c);
  mlc_wgmma_begin();
  #pragma unroll
  for (int k = 0; k < {depth // PIECE}; k += {DEPTH // PIECE})
    mlc_wgmma_m64n{columns}k16_{short}(
        sums, a + k * ak, 2 * ak, 2 * am, b + k * bk, 2 * bk, 2 * bn);
  mlc_wgmma_commit();
}}"""
    rows = {"A": 16, "B": 16}
    for name, operands, body, source, aligned in (
        (names.fill, (c,), stored(c, None), fill, {}),
        (names.store, (c, target), stored(target, c), store, {}),
        (names.product, (a, b, c), _product(a, b, c), text, rows),
    ):
        meaning = Program(name, operands, body)
        register(Intrinsic(name, meaning, {"cuda": source}, THREADS, held, aligned))
    return names


def wgmma_store(columns: int, dtype: DType = float32) -> str:
    """The name of an intrinsic that stores 32, 64 or 128 columns of sums, of which there may be
    more, converted to ``dtype``: float32, float16 or bfloat16."""
    if columns not in NARROW or dtype not in (float32, *KINDS):
        raise ArgumentError(
            f"32, 64 or 128 columns are stored on their own here, as float32, float16 or bfloat16, "
            f"got {columns} of {dtype}"
        )
    name = f"wgmma_store_{dtype}_part_{columns}"
    c = Buffer("C", (ROWS, columns), float32, scope=Scope(PANELS))
    target = Buffer("target", c.shape, dtype)
    count = ROWS * columns // THREADS
    meaning = Program(name, (c, target), stored(target, c))
    text = _store_text(name, count, "float" if dtype is float32 else KINDS[dtype][1])
    register(Intrinsic(name, meaning, {"cuda": text}, THREADS, {"C": count}))
    return name


def _store_text(name: str, count: int, element: str = "float") -> str:
    one, two = (x if element == "float" else f"{element}({x})" for x in ("c[e]", "c[e + 1]"))
    return f"""MLC_DEVICE void {name}(const float *c, {element} *target, int far, int near) {{
  #pragma unroll
  for (int e = 0; e < {count}; e += 2)
    mlc_store_pair(
        &target[({_LANE}) * far + (threadIdx.x % 4 * 2 + e / 4 * 8) * near], near, {one}, {two});
}}"""


def _product(a: Buffer, b: Buffer, c: Buffer) -> Stmt:
    mo, mi, no, ni, ko, ki = (Var(name) for name in ("mo", "mi", "no", "ni", "ko", "ki"))
    value = cast(load(a, (mo, ko, mi, ki)), float32) * cast(load(b, (no, ko, ni, ki)), float32)
    at = (mo * PIECE + mi, no * PIECE + ni)
    body: Stmt = Accumulate(reducer("sum", float32), (c,), at, (value,))
    for var, extent in (
        (ki, PIECE), (ko, a.shape[1]), (ni, PIECE), (no, b.shape[0]), (mi, PIECE), (mo, a.shape[0]),
    ):  # fmt: skip
        body = For(var, extent, body)
    return body
