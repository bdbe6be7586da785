"""What happens to the sums of products on tensor cores while they stay in registers.

::

    rows = mma_rows(float16)
    s.run(rows.part)     T[lane, e] = C[row(lane, e), column(lane, e)]
    s.run(rows.peak)     P[lane, e // 2 % 2] = maximum(itself, T[lane, e])
    s.run(rows.greatest) B[lane, h] = the greatest of P over the 4 lanes that share a row
    s.run(rows.whole)    B[lane, h] = the sum of P over them
    s.run(rows.weigh)    S[lane, e // 2 % 2] += 2**T[lane, e]; A[row, column] = 2**T[lane, e]
    s.run(rows.scale)    C[i, j] *= F[lane, h] of the row i

A tile of 16 x 16 sums is spread over a warp (see :mod:`mlc.intrinsics.fragments`): lane ``4 g + p``
holds, as its element e, that of row ``g + 8 (e // 2 % 2)`` and column ``2 p + e % 2 + 8 (e // 4)``.
``T`` has the shape (32, 8) and is that, indexed by lane and element; what belongs to rows has the
shape (32, 2), the same in the 4 lanes of a group. Such buffers are ``local``: loops over
threadIdx.x of 32 iterations may touch them as ``T[lane, e]``, each lane its own.

A operands of 16-bit floats lie as sums do, so that weights are multiplied where they were made.
Powers of 2 are those of ``ex2.approx`` on a card: off by 2 units of the last digit of a float32,
and 0 where they are less than 2**-126.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dtypes import DType, float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Axis, Expr, Var, apply, cast, load
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Accumulate, Block, Buffer, For, Iter, Program, Scope, Stmt, Store, seq
from .fragments import ROWS, WARP

HELD, HALVES = 8, 2  # elements of a tile, and rows, that each lane has to do with
_TYPES = {"float16": "mlc_half", "bfloat16": "mlc_bfloat16"}


@dataclass(frozen=True)
class MmaRows:
    """The names of the intrinsics."""

    part: str
    peak: str
    greatest: str
    whole: str
    weigh: str
    scale: str


def mma_rows(dtype: DType) -> MmaRows:
    """Those of weights of ``dtype``, float16 or bfloat16, in the scopes of
    ``mma(dtype, 16, "mk", ...)``."""
    if dtype.name not in _TYPES:
        raise ArgumentError(f"weights lie as sums do if they are 16-bit floats, got {dtype.name}")
    names = MmaRows(
        "mma_part_float32", "mma_peak_float32", "mma_greatest_float32", "mma_whole_float32",
        f"mma_weigh_{dtype.name}", "mma_scale_rows_float32",
    )  # fmt: skip
    _declare_part(names.part)
    _declare_peak(names.peak)
    _declare_fold(names.greatest, "max", "mlc_max_nan(made, other)")
    _declare_fold(names.whole, "sum", "made + other")
    _declare_weigh(names.weigh, dtype)
    _declare_scale(names.scale)
    return names


def _parts(name: str) -> Buffer:
    return Buffer(name, (WARP, HELD), float32, scope=Scope.LOCAL)


def _halves(name: str) -> Buffer:
    return Buffer(name, (WARP, HALVES), float32, scope=Scope.LOCAL)


def _sums() -> Buffer:
    return Buffer("C", (ROWS, ROWS), float32, scope=Scope("mma.mn"))


def _half(e: Expr) -> Expr:
    return e // 2 % 2


def _at(lane: Expr, e: Expr) -> tuple[Expr, Expr]:
    """Row and column of element ``e`` of ``lane``."""
    return lane // 4 + _half(e) * 8, lane % 4 * 2 + e % 2 + e // 4 * 8


def _holder(i: Expr, j: Expr) -> tuple[Expr, Expr]:
    """Lane and element of row ``i`` and column ``j``."""
    return i % 8 * 4 + j % 8 // 2, j % 2 + i // 8 * 2 + j // 8 * 4


def _tile(target: Buffer, extents: tuple[int, int], value: Expr, axes: tuple[Axis, Axis]) -> Stmt:
    """``target[i, j] = value`` for all of ``axes``."""
    i, j = Var("i"), Var("j")
    block = Block("tile", (Iter(axes[0], i), Iter(axes[1], j)), Store(target, axes, value))
    return For(i, extents[0], For(j, extents[1], block))


def _declare_part(name: str) -> None:
    c, t = _sums(), _parts("T")
    axes = Axis("vl", WARP), Axis("ve", HELD)
    meaning = _tile(t, (WARP, HELD), load(c, _at(*axes)), axes)
    text = "#pragma unroll\n  for (int e = 0; e < 8; ++e) t[e] = c[e];"
    _declare(name, (c, t), meaning, "const float *c, float *t", text, {"C": HELD, "T": HELD})


def _declare_peak(name: str) -> None:
    t, p = _parts("T"), _halves("P")
    lane, e = Var("lane"), Var("e")
    update = Accumulate(reducer("max", float32), (p,), (lane, _half(e)), (load(t, (lane, e)),))
    meaning = For(lane, WARP, For(e, HELD, update))
    text = """#pragma unroll
  for (int e = 0; e < 8; ++e) p[e / 2 % 2] = mlc_max_nan(p[e / 2 % 2], t[e]);"""
    _declare(name, (t, p), meaning, "const float *t, float *p", text, {"T": HELD, "P": HALVES})


def _declare_fold(name: str, combiner: str, combined: str) -> None:
    p, b = _halves("P"), _halves("B")
    lane, half, q = Var("lane"), Var("half"), Var("q")
    combine = reducer(combiner, float32)
    part = load(p, (lane // 4 * 4 + q, half))
    start = Store(b, (lane, half), combine.identity[0])
    fold = For(q, 4, Accumulate(combine, (b,), (lane, half), (part,)))
    meaning = For(lane, WARP, For(half, HALVES, seq(start, fold)))
    text = f"""#pragma unroll
  for (int h = 0; h < 2; ++h) {{
    float made = p[h], other = mlc_shfl_xor(made, 1);
    made = {combined};
    other = mlc_shfl_xor(made, 2);
    b[h] = {combined};
  }}"""
    _declare(name, (p, b), meaning, "const float *p, float *b", text, {"P": HALVES, "B": HALVES})


def _declare_weigh(name: str, dtype: DType) -> None:
    t, s = _parts("T"), _halves("S")
    a = Buffer("A", (ROWS, ROWS), dtype, scope=Scope("mma.mk"))
    axes = Axis("vi", ROWS), Axis("vj", ROWS)
    weight = apply("exp2", load(t, _holder(*axes)))
    made = _tile(a, (ROWS, ROWS), cast(weight, dtype), axes)
    lane, e = Var("lane"), Var("e")
    counted = apply("exp2", load(t, (lane, e)))
    add = Accumulate(reducer("sum", float32), (s,), (lane, _half(e)), (counted,))
    meaning = seq(made, For(lane, WARP, For(e, HELD, add)))
    text = f"""uint32_t (&registers)[4] = *reinterpret_cast<uint32_t (*)[4]>(a);
  #pragma unroll
  for (int r = 0; r < 4; ++r) {{
    const float low = mlc_exp2_near(t[2 * r]), high = mlc_exp2_near(t[2 * r + 1]);
    s[r % 2] += low;
    s[r % 2] += high;
    registers[r] = mlc_pair_{dtype.name}(low, high);
  }}"""
    parameters = f"const float *t, float *s, {_TYPES[dtype.name]} *a"
    held = {"T": HELD, "S": HALVES, "A": HELD}
    _declare(name, (t, s, a), meaning, parameters, text, held, outputs=2)


def _declare_scale(name: str) -> None:
    f, c = _halves("F"), _sums()
    axes = Axis("vi", ROWS), Axis("vj", ROWS)
    lane, e = _holder(*axes)
    meaning = _tile(c, (ROWS, ROWS), load(c, axes) * load(f, (lane, _half(e))), axes)
    text = "#pragma unroll\n  for (int e = 0; e < 8; ++e) c[e] *= f[e / 2 % 2];"
    _declare(name, (f, c), meaning, "const float *f, float *c", text, {"F": HALVES, "C": HELD})


def _declare(
    name: str,
    operands: tuple[Buffer, ...],
    body: Stmt,
    parameters: str,
    text: str,
    held: dict[str, int],
    outputs: int = 1,
) -> None:
    function = f"MLC_DEVICE void {name}({parameters}) {{\n  {text}\n}}"
    meaning = Program(name, operands, body, outputs)
    register(Intrinsic(name, meaning, {"cuda": function}, WARP, held))
