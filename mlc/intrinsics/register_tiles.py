"""Micro-kernels: a tile of a matrix product held in vector registers.

::

    fma_f32(rows=6, columns=16, depth=64, lanes=8)       C[6, 16] += A[6, 64] @ B[64, 16]

The tile of C lives in ``rows * columns / lanes`` vector registers while the loop over ``depth``
runs: two vectors of B are loaded, one element of A after the other is spread over a register, and
each pair costs one fused multiply-add. A register of 8 float32 is one of AVX2, of 16 one of
AVX-512; more accumulators than the processor has registers (16 and 32) are spilled.

Where the columns of B or C are not next to each other in memory, element by element is computed.
"""

from __future__ import annotations

import re

from ..dtypes import float32
from ..errors import ArgumentError
from ..ir.combiner import reducer
from ..ir.expr import Var
from ..ir.intrinsic import Intrinsic, register
from ..ir.program import Accumulate, Buffer, For, Program, Stmt


def fma_f32(
    rows: int = 6, columns: int = 16, depth: int = 64, lanes: int = 8, packed: bool = False
) -> Intrinsic:
    """The micro-kernel for these sizes, known as
    ``fma_f32_<rows>x<columns>x<depth>_v<lanes>[_packed]``.

    ``columns`` is a multiple of ``lanes``, the float32 numbers of one register. With ``packed`` the
    operand A has the shape (depth, rows): the elements that one step needs lie together.
    """
    for word, value in (("rows", rows), ("columns", columns), ("depth", depth), ("lanes", lanes)):
        if value < 2:
            raise ArgumentError(f"{word} of a register tile must be at least 2, got {value}")
    if columns % lanes:
        raise ArgumentError(f"columns={columns} is not a multiple of lanes={lanes}")
    name = f"fma_f32_{rows}x{columns}x{depth}_v{lanes}" + ("_packed" if packed else "")
    meaning = _meaning(name, rows, columns, depth, packed)
    text = "\n".join(_Kernel(name, rows, columns, depth, lanes, packed).lines())
    return register(Intrinsic(name, meaning, {"llvm": text}))


_NAME = re.compile(r"fma_f32_(\d+)x(\d+)x(\d+)_v(\d+)(_packed)?")


def named(name: str) -> Intrinsic | None:
    """The micro-kernel of this name; None if it is not the name of one."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    rows, columns, depth, lanes = map(int, found.groups()[:4])
    if min(rows, columns, depth, lanes) < 2 or columns % lanes:
        return None
    return fma_f32(rows, columns, depth, lanes, found[5] is not None)


def _meaning(name: str, rows: int, columns: int, depth: int, packed: bool) -> Program:
    a = Buffer("A", (depth, rows) if packed else (rows, depth), float32)
    b, c = Buffer("B", (depth, columns), float32), Buffer("C", (rows, columns), float32)
    m, n, k = Var("m"), Var("n"), Var("k")
    value = (a[k, m] if packed else a[m, k]) * b[k, n]
    body: Stmt = Accumulate(reducer("sum", float32), (c,), (m, n), (value,))
    for var, extent in ((k, depth), (n, columns), (m, rows)):
        body = For(var, extent, body)
    return Program(name, (a, b, c), body)


class _Kernel:
    """Writes the LLVM function. ``%xs`` and ``%xt`` are the strides of operand x in elements."""

    def __init__(
        self, name: str, rows: int, columns: int, depth: int, lanes: int, packed: bool
    ) -> None:
        self.name, self.rows, self.columns, self.depth = name, rows, columns, depth
        self.lanes, self.vectors = lanes, columns // lanes
        self.vector = f"<{lanes} x float>"
        strides = "i64 %ak, i64 %am" if packed else "i64 %am, i64 %ak"
        self.head = (
            f"define void @{name}(ptr %a, {strides}, ptr %b, i64 %bk, i64 %bn, "
            f"ptr %c, i64 %cm, i64 %cn) {{"
        )

    def lines(self) -> list[str]:
        v = self.vector
        return [
            f"declare {v} @llvm.fma.v{self.lanes}f32({v}, {v}, {v})",
            "declare float @llvm.fma.f32(float, float, float)",
            self.head,
            "entry:",
            "  %b1 = icmp eq i64 %bn, 1",
            "  %c1 = icmp eq i64 %cn, 1",
            "  %close = and i1 %b1, %c1",
            "  br i1 %close, label %tile, label %rows",
            *self.tile(),
            *self.elements(),
            "}",
        ]

    def tile(self) -> list[str]:
        """The columns are contiguous: vectors along them, all accumulators in registers."""
        v, out = self.vector, ["tile:"]
        for m in range(self.rows):
            out += [
                f"  %co{m} = mul i64 %cm, {m}",
                f"  %ao{m} = mul i64 %am, {m}",
                f"  %am{m} = getelementptr float, ptr %a, i64 %ao{m}",
            ]
            for n in range(self.vectors):
                out += [
                    f"  %cx{m}_{n} = add i64 %co{m}, {n * self.lanes}",
                    f"  %cp{m}_{n} = getelementptr float, ptr %c, i64 %cx{m}_{n}",
                    f"  %ci{m}_{n} = load {v}, ptr %cp{m}_{n}, align 4",
                ]
        out += ["  br label %step", "step:", "  %k = phi i64 [ 0, %tile ], [ %kn, %step ]"]
        tiles = [(m, n) for m in range(self.rows) for n in range(self.vectors)]
        out += [
            f"  %s{m}_{n} = phi {v} [ %ci{m}_{n}, %tile ], [ %r{m}_{n}, %step ]" for m, n in tiles
        ]
        out += ["  %ka = mul i64 %k, %ak", "  %kb = mul i64 %k, %bk"]
        for n in range(self.vectors):
            out += [
                f"  %bx{n} = add i64 %kb, {n * self.lanes}",
                f"  %bp{n} = getelementptr float, ptr %b, i64 %bx{n}",
                f"  %bv{n} = load {v}, ptr %bp{n}, align 4",
            ]
        for m in range(self.rows):
            out += [
                f"  %ap{m} = getelementptr float, ptr %am{m}, i64 %ka",
                f"  %ae{m} = load float, ptr %ap{m}, align 4",
                f"  %ai{m} = insertelement {v} poison, float %ae{m}, i64 0",
                f"  %av{m} = shufflevector {v} %ai{m}, {v} poison, "
                f"<{self.lanes} x i32> zeroinitializer",
            ]
            out += [
                f"  %r{m}_{n} = call {v} @llvm.fma.v{self.lanes}f32("
                f"{v} %av{m}, {v} %bv{n}, {v} %s{m}_{n})"
                for n in range(self.vectors)
            ]
        out += [
            "  %kn = add nuw nsw i64 %k, 1",
            f"  %kc = icmp ult i64 %kn, {self.depth}",
            "  br i1 %kc, label %step, label %store",
            "store:",
        ]
        out += [f"  store {v} %r{m}_{n}, ptr %cp{m}_{n}, align 4" for m, n in tiles]
        return [*out, "  ret void"]

    def elements(self) -> list[str]:
        """Any strides: one element of C after the other."""
        return f"""rows:
  %m = phi i64 [ 0, %entry ], [ %mn, %row ]
  %cr = mul i64 %m, %cm
  %ar = mul i64 %m, %am
  br label %columns
columns:
  %n = phi i64 [ 0, %rows ], [ %nn, %column ]
  %cs = mul i64 %n, %cn
  %ct = add i64 %cr, %cs
  %ce = getelementptr float, ptr %c, i64 %ct
  %cv = load float, ptr %ce, align 4
  %bs = mul i64 %n, %bn
  br label %sum
sum:
  %l = phi i64 [ 0, %columns ], [ %ln, %sum ]
  %s = phi float [ %cv, %columns ], [ %r, %sum ]
  %as = mul i64 %l, %ak
  %at = add i64 %ar, %as
  %ae = getelementptr float, ptr %a, i64 %at
  %x = load float, ptr %ae, align 4
  %bt = mul i64 %l, %bk
  %bu = add i64 %bs, %bt
  %be = getelementptr float, ptr %b, i64 %bu
  %y = load float, ptr %be, align 4
  %r = call float @llvm.fma.f32(float %x, float %y, float %s)
  %ln = add nuw nsw i64 %l, 1
  %lc = icmp ult i64 %ln, {self.depth}
  br i1 %lc, label %sum, label %column
column:
  store float %r, ptr %ce, align 4
  %nn = add nuw nsw i64 %n, 1
  %nc = icmp ult i64 %nn, {self.columns}
  br i1 %nc, label %columns, label %row
row:
  %mn = add nuw nsw i64 %m, 1
  %mc = icmp ult i64 %mn, {self.rows}
  br i1 %mc, label %rows, label %done
done:
  ret void""".splitlines()
