"""What happens to the sums of products on tensor cores while they stay in registers.

::

    rows = mma_rows(float16)
    s.run(rows.part)     T[lane, e] = C[row(lane, e), column(lane, e)]
    s.run(rows.peak)     P[lane, e // 2 % 2] = maximum(itself, T[lane, e])
    s.run(rows.greatest) B[lane, h] = the greatest of P over the 4 lanes that share a row
    s.run(rows.whole)    B[lane, h] = the sum of P over them
    s.run(rows.weigh)    S[lane, e // 2 % 2] += 2**T[lane, e]; A[row, column] = 2**T[lane, e]
    s.run(rows.raised)   T[lane, e] = 2**T[lane, e]; S[lane, e // 2 % 2] += T[lane, e]
    s.run(rows.operand)  A[row, column] = T[lane, e]
    s.run(rows.scale)    C[i, j] *= F[lane, h] of the row i

A tile of 16 x 16 sums is spread over a warp (see :mod:`mlc.intrinsics.fragments`): lane ``4 g + p``
holds, as its element e, that of row ``g + 8 (e // 2 % 2)`` and column ``2 p + e % 2 + 8 (e // 4)``.
``T`` has the shape (32, 8) and is that, indexed by lane and element; what belongs to rows has the
shape (32, 2), the same in the 4 lanes of a group. Such buffers are ``local``: loops over
threadIdx.x of 32 iterations may touch them as ``T[lane, e]``, each lane its own.

A operands of 16-bit floats lie as sums do, so that weights are multiplied where they were made.
``raised`` and ``operand`` are ``weigh`` in two steps, of which the first needs no operand's place.
Powers of 2 are those of ``ex2.approx`` on a card: off by 2 units of the last digit of a float32,
and 0 where they are less than 2**-126.

``mma_rows(float16, warps=4, columns=64)`` is the same of a tile of 64 x 64 that four warps hold
together, 16 rows each, as `mlc.intrinsics.wgmma_held` leaves it: lanes are 128 threads then, and
each holds 32 elements.
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

HALVES = 2  # rows of a tile that each lane has to do with
_TYPES = {"float16": "mlc_half", "bfloat16": "mlc_bfloat16"}


@dataclass(frozen=True)
class MmaRows:
    """The names of the intrinsics."""

    part: str
    peak: str
    greatest: str
    whole: str
    weigh: str
    raised: str
    operand: str
    scale: str


def mma_rows(dtype: DType, warps: int = 1, columns: int = 16) -> MmaRows:
    """Those of weights of ``dtype``, float16 or bfloat16, in the scopes of ``mma(dtype, 16, "mk",
    ...)`` or, of ``warps`` with 16 rows each, of ``wgmma_held(dtype, ...)``."""
    if dtype.name not in _TYPES:
        raise ArgumentError(f"weights lie as sums do if they are 16-bit floats, got {dtype.name}")
    if columns < ROWS or columns % ROWS:
        raise ArgumentError(f"a tile of sums has a multiple of {ROWS} columns, got {columns}")
    return _Tiles(dtype, warps, columns).register()


@dataclass(frozen=True)
class _Tiles:
    """A tile of ``16 * warps`` rows."""

    dtype: DType
    warps: int
    columns: int

    @property
    def lanes(self) -> int:
        return WARP * self.warps

    @property
    def held(self) -> int:
        """The elements of each lane."""
        return self.columns // HALVES

    @property
    def shape(self) -> tuple[int, int]:
        return ROWS * self.warps, self.columns

    @property
    def family(self) -> str:
        return "mma" if self.warps == 1 else "wgmma"

    def register(self) -> MmaRows:
        of_rows = "" if self.warps == 1 else f"_{self.warps}"
        of_tiles = of_rows if self.columns == ROWS else f"{of_rows}_{self.columns}"
        names = MmaRows(
            f"mma_part_float32{of_tiles}", f"mma_peak_float32{of_tiles}",
            f"mma_greatest_float32{of_rows}", f"mma_whole_float32{of_rows}",
            f"mma_weigh_{self.dtype.name}{of_tiles}", f"mma_raised_float32{of_tiles}",
            f"mma_operand_{self.dtype.name}{of_tiles}", f"mma_scale_rows_float32{of_tiles}",
        )  # fmt: skip
        self.declare_part(names.part)
        self.declare_peak(names.peak)
        self.declare_fold(names.greatest, "max", "mlc_max_nan(made, other)")
        self.declare_fold(names.whole, "sum", "made + other")
        self.declare_weigh(names.weigh)
        self.declare_raised(names.raised)
        self.declare_operand(names.operand)
        self.declare_scale(names.scale)
        return names

    def parts(self, name: str) -> Buffer:
        return Buffer(name, (self.lanes, self.held), float32, scope=Scope.LOCAL)

    def halves(self, name: str) -> Buffer:
        return Buffer(name, (self.lanes, HALVES), float32, scope=Scope.LOCAL)

    def sums(self) -> Buffer:
        return Buffer("C", self.shape, float32, scope=Scope(f"{self.family}.mn"))

    def declare_part(self, name: str) -> None:
        c, t = self.sums(), self.parts("T")
        axes = Axis("vl", self.lanes), Axis("ve", self.held)
        meaning = _tile(t, t.shape, load(c, place_of(*axes)), axes)
        text = f"#pragma unroll\n  for (int e = 0; e < {self.held}; ++e) t[e] = c[e];"
        held = {"C": self.held, "T": self.held}
        self.declare(name, (c, t), meaning, "const float *c, float *t", text, held)

    def declare_peak(self, name: str) -> None:
        t, p = self.parts("T"), self.halves("P")
        lane, e = Var("lane"), Var("e")
        update = Accumulate(reducer("max", float32), (p,), (lane, _half(e)), (load(t, (lane, e)),))
        meaning = For(lane, self.lanes, For(e, self.held, update))
        text = f"""#pragma unroll
  for (int e = 0; e < {self.held}; ++e) p[e / 2 % 2] = mlc_max_nan(p[e / 2 % 2], t[e]);"""
        held = {"T": self.held, "P": HALVES}
        self.declare(name, (t, p), meaning, "const float *t, float *p", text, held)

    def declare_fold(self, name: str, combiner: str, combined: str) -> None:
        p, b = self.halves("P"), self.halves("B")
        lane, half, q = Var("lane"), Var("half"), Var("q")
        combine = reducer(combiner, float32)
        part = load(p, (lane // 4 * 4 + q, half))
        start = Store(b, (lane, half), combine.identity[0])
        fold = For(q, 4, Accumulate(combine, (b,), (lane, half), (part,)))
        meaning = For(lane, self.lanes, For(half, HALVES, seq(start, fold)))
        text = f"""#pragma unroll
  for (int h = 0; h < 2; ++h) {{
    float made = p[h], other = mlc_shfl_xor(made, 1);
    made = {combined};
    other = mlc_shfl_xor(made, 2);
    b[h] = {combined};
  }}"""
        held = {"P": HALVES, "B": HALVES}
        self.declare(name, (p, b), meaning, "const float *p, float *b", text, held)

    def declare_weigh(self, name: str) -> None:
        t, s = self.parts("T"), self.halves("S")
        a = Buffer("A", self.shape, self.dtype, scope=Scope(f"{self.family}.mk"))
        axes = Axis("vi", self.shape[0]), Axis("vj", self.shape[1])
        weight = apply("exp2", load(t, _holder(*axes)))
        made = _tile(a, a.shape, cast(weight, self.dtype), axes)
        lane, e = Var("lane"), Var("e")
        counted = apply("exp2", load(t, (lane, e)))
        add = Accumulate(reducer("sum", float32), (s,), (lane, _half(e)), (counted,))
        meaning = seq(made, For(lane, self.lanes, For(e, self.held, add)))
        count = self.held // 2
        text = f"""uint32_t (&registers)[{count}] = *reinterpret_cast<uint32_t (*)[{count}]>(a);
  #pragma unroll
  for (int r = 0; r < {count}; ++r) {{
    const float low = mlc_exp2_near(t[2 * r]), high = mlc_exp2_near(t[2 * r + 1]);
    s[r % 2] += low;
    s[r % 2] += high;
    registers[r] = mlc_pair_{self.dtype.name}(low, high);
  }}"""
        parameters = f"const float *t, float *s, {_TYPES[self.dtype.name]} *a"
        held = {"T": self.held, "S": HALVES, "A": self.held}
        self.declare(name, (t, s, a), meaning, parameters, text, held, outputs=2)

    def declare_raised(self, name: str) -> None:
        t, s = self.parts("T"), self.halves("S")
        lane, e = Var("lane"), Var("e")
        power = Store(t, (lane, e), apply("exp2", load(t, (lane, e))))
        add = Accumulate(reducer("sum", float32), (s,), (lane, _half(e)), (load(t, (lane, e)),))
        meaning = For(lane, self.lanes, For(e, self.held, seq(power, add)))
        text = f"""#pragma unroll
  for (int e = 0; e < {self.held}; ++e) {{
    t[e] = mlc_exp2_near(t[e]);
    s[e / 2 % 2] += t[e];
  }}"""
        held = {"T": self.held, "S": HALVES}
        self.declare(name, (t, s), meaning, "float *t, float *s", text, held, outputs=2)

    def declare_operand(self, name: str) -> None:
        t = self.parts("T")
        a = Buffer("A", self.shape, self.dtype, scope=Scope(f"{self.family}.mk"))
        axes = Axis("vi", self.shape[0]), Axis("vj", self.shape[1])
        meaning = _tile(a, a.shape, cast(load(t, _holder(*axes)), self.dtype), axes)
        count = self.held // 2
        text = f"""uint32_t (&registers)[{count}] = *reinterpret_cast<uint32_t (*)[{count}]>(a);
  #pragma unroll
  for (int r = 0; r < {count}; ++r)
    registers[r] = mlc_pair_{self.dtype.name}(t[2 * r], t[2 * r + 1]);"""
        parameters = f"const float *t, {_TYPES[self.dtype.name]} *a"
        held = {"T": self.held, "A": self.held}
        self.declare(name, (t, a), meaning, parameters, text, held)

    def declare_scale(self, name: str) -> None:
        f, c = self.halves("F"), self.sums()
        axes = Axis("vi", self.shape[0]), Axis("vj", self.shape[1])
        lane, e = _holder(*axes)
        meaning = _tile(c, c.shape, load(c, axes) * load(f, (lane, _half(e))), axes)
        text = f"#pragma unroll\n  for (int e = 0; e < {self.held}; ++e) c[e] *= f[e / 2 % 2];"
        held = {"F": HALVES, "C": self.held}
        self.declare(name, (f, c), meaning, "const float *f, float *c", text, held)

    def declare(
        self,
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
        register(Intrinsic(name, meaning, {"cuda": function}, self.lanes, held))


def place_of(lane: Expr, e: Expr) -> tuple[Expr, Expr]:
    """Row and column of element ``e`` of ``lane``."""
    row = lane // WARP * ROWS + lane % WARP // 4 + _half(e) * 8
    return row, lane % 4 * 2 + e % 2 + e // 4 * 8


def _half(e: Expr) -> Expr:
    return e // 2 % 2


def _holder(i: Expr, j: Expr) -> tuple[Expr, Expr]:
    """Lane and element of row ``i`` and column ``j``."""
    lane = i // ROWS * WARP + i % 8 * 4 + j % 8 // 2
    return lane, j % 2 + i % ROWS // 8 * 2 + j // 8 * 4


def _tile(target: Buffer, extents: tuple[int, ...], value: Expr, axes: tuple[Axis, Axis]) -> Stmt:
    """``target[i, j] = value`` for all of ``axes``."""
    i, j = Var("i"), Var("j")
    block = Block("tile", (Iter(axes[0], i), Iter(axes[1], j)), Store(target, axes, value))
    return For(i, extents[0], For(j, extents[1], block))
