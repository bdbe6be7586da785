"""Products on Hopper's tensor cores, ``wgmma``, of an operand in registers and boxes.

::

    held = wgmma_held(float16, 128, "kn")
    held.load_a     A[64, 64] = rows of shared memory
    held.product    C[64, 128] += A[64, 64] B[64, 128], sums in float32
    held.begin      C[64, 128] = A[64, 64] B[64, 128]

Four warps do a call together: threadIdx.x counts 128 threads. Each warp holds 16 rows of A and of
C, as `mlc.intrinsics.fragments` says, so that what `mlc.intrinsics.mma_rows` makes of the sums of
one product is an operand of another where it lies. ``B`` was brought by boxes (see
`mlc.intrinsics.boxes`): ``B[n, k]`` in the order "nk", ``B[n // 64, k, n % 64]`` in the order "kn".

A product goes on while threads do other things: see `mlc.lower.cuda.await_products`.
"""

from __future__ import annotations

from ..dtypes import DType, float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Expr, Var, cast, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Accumulate, Buffer, For, Program, Scope, Stmt, seq
from ..records import dataclass
from .boxes import HELD, WIDE
from .mma import ROW_BYTES, stored
from .wgmma import DEPTH, KINDS, ROWS, THREADS, wgmma


@dataclass(frozen=True)
class Held:
    """The names of the intrinsics of one kind of product, and where operands and sums live."""

    fill: str
    load_a: str
    product: str
    begin: str
    scope_a: str = "wgmma.mk"
    scope_c: str = "wgmma.mn"


def wgmma_held(dtype: DType, columns: int = 64, b_order: str = "nk") -> Held:
    """The product of 64 rows in registers and 64 steps of boxes, for 64, 128 or 256 columns."""
    sums = wgmma(dtype, columns)
    if b_order not in ("nk", "kn"):
        raise ArgumentError(f"the order of boxes is 'nk' or 'kn', got {b_order!r}")
    short, element = KINDS[dtype]
    turned = b_order == "kn"
    split = turned and columns > WIDE
    a = Buffer("A", (ROWS, WIDE), dtype, scope=Scope(Held.scope_a))
    b_shape = (columns // WIDE, WIDE, WIDE) if split else (columns, WIDE)
    b = Buffer("B", b_shape, dtype, scope=Scope.SHARED)
    c = Buffer("C", (ROWS, columns), float32, scope=Scope(Held.scope_c))
    source = Buffer("source", (ROWS, WIDE), dtype, scope=Scope.SHARED)
    count, registers = ROWS * columns // THREADS, ROWS * WIDE // THREADS // 2
    name = f"{HELD}{ROWS}x{columns}x{WIDE}_{b_order}_{dtype}"
    started = f"{name}_begin"
    call = f"mlc_wgmma_held_m64n{columns}k{DEPTH}_{short}<{str(turned).lower()}"
    across, step = "2 * bo" if split else "0", DEPTH * WIDE if turned else DEPTH

    def text(title: str, anew: bool) -> str:
        lines = "\n".join(
            f"  {call}, {str(anew and k == 0).lower()}>(sums, left[{4 * k}], left[{4 * k + 1}], "
            f"left[{4 * k + 2}], left[{4 * k + 3}],\n      b + {k * step}, {across});"
            for k in range(WIDE // DEPTH)
        )
        return f"""MLC_DEVICE void {title}(
    const {element} *a, const {element} *b, {"int bo, " if split else ""}int, int, float *c) {{
  const uint32_t (&left)[{registers}] = *reinterpret_cast<const uint32_t (*)[{registers}]>(a);
  float (&sums)[{count}] = *reinterpret_cast<float (*)[{count}]>(c);
  mlc_wgmma_begin_boxes();
{lines}
  mlc_wgmma_commit();
}}"""

    held = {"A": 2 * registers, "C": count}
    added = _product(a, b, c, turned)
    for title, meaning in ((name, added), (started, seq(stored(c, None), added))):
        written: dict[str, str | Program] = {"cuda": text(title, title == started)}
        register(Intrinsic(title, Program(title, (a, b, c), meaning), written, THREADS, held))
    load_a = f"wgmma_load_mk_{dtype}"
    loading = f"""MLC_DEVICE void {load_a}(const {element} *source, int far, int, {element} *a) {{
  const int lane = threadIdx.x % 32;
  uint32_t (&held)[{registers}] = *reinterpret_cast<uint32_t (*)[{registers}]>(a);
  #pragma unroll
  for (int k = 0; k < {WIDE // DEPTH}; ++k) {{
    uint32_t part[4];
    mlc_ldmatrix_x4(
        part, source + (threadIdx.x / 32 * 16 + lane % 16) * far + k * 16 + lane / 16 * 8);
    #pragma unroll
    for (int r = 0; r < 4; ++r) held[4 * k + r] = part[r];
  }}
}}"""
    whole = Program(load_a, (source, a), stored(a, source))
    own = {"A": 2 * registers}
    register(Intrinsic(load_a, whole, {"cuda": loading}, THREADS, own, {"source": ROW_BYTES}))
    return Held(sums.fill, load_a, name, started)


def _product(a: Buffer, b: Buffer, c: Buffer, turned: bool) -> Stmt:
    m, no, n, k = (Var(name) for name in ("m", "no", "n", "k"))
    split = len(b.shape) == 3
    right: tuple[Expr, ...] = (k, n) if turned else (n, k)
    right = (no, *right) if split else right
    value = cast(load(a, (m, k)), float32) * cast(load(b, right), float32)
    column = no * WIDE + n if split else n
    body: Stmt = Accumulate(reducer("sum", float32), (c,), (m, column), (value,))
    loops = [(k, WIDE), (n, WIDE if turned else b.shape[0])]
    loops += [(no, b.shape[0])] if split else []
    for var, extent in (*loops, (m, ROWS)):
        body = For(var, extent, body)
    return body
