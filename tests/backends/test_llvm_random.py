"""Random flat programs, run through LLVM and by the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mlc.dtypes import (
    DType,
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint64,
)
from mlc.ir.arithmetic import silent
from mlc.ir.combiner import reducer
from mlc.ir.expr import Expr, Var, apply, cast, const, load, select
from mlc.ir.interpret import interpret
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
)

DTYPES = (int32, int64, float64, uint8, int16, uint64, float32, float16, bfloat16, int8)
N = 53
# Results beyond these are not compared: a product that is rounded once or twice differs there.
EXACT = {float64: 2.0**40, float32: 2.0**18, float16: 2.0**8, bfloat16: 2.0**5}
Leaf = Callable[[], Expr]


class Writer:
    """Draws statements over fixed buffers at element ``i`` of step ``k`` of an inner loop."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.dtype = d = DTYPES[int(rng.integers(len(DTYPES)))]
        self.width = int(rng.choice([1, 4, 8, 16]))
        self.a, self.b, self.c, self.e = (Buffer(name, (N,), d) for name in "abce")
        self.w = Buffer("w", (3,), d)
        self.keys = Buffer("keys", (N,), int64)
        lanes = Buffer("lanes", (2, self.width), d, scope=Scope.REGISTER)
        scalars = Buffer("scalars", (2,), d, scope=Scope.REGISTER)
        self.outer, self.lane, self.k = Var("o"), Var("l"), Var("k")
        self.i = self.outer * self.width + self.lane
        self.registers = lanes, scalars
        # With one lane all registers are scalars that every statement may write.
        self.places = [
            lambda: (self.c, (self.i,)),
            lambda: (self.e, (self.i,)),
            lambda: (lanes, (const(self.draw(2)), self.lane)),
        ]
        if self.width == 1:
            self.places.append(lambda: (scalars, (const(self.draw(2)),)))
        self.leaves = self._leaves(lanes, scalars)

    def draw(self, n: int) -> int:
        return int(self.rng.integers(n))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one_of(self, names: Sequence[str]) -> str:
        return names[self.draw(len(names))]

    def _leaves(self, lanes: Buffer, scalars: Buffer) -> list[Leaf]:
        a, b, i, d = self.a, self.b, self.i, self.dtype

        def shifted() -> Expr:
            j = i + (self.draw(18) - 9)
            return select((j >= 0) & (j < N), a[j], const(2, d))

        def taken() -> Expr:
            j = self.keys[i]
            return select((j >= 0) & (j < N), b[j], const(1, d))

        return [
            lambda: a[i], lambda: b[i], lambda: a[N - 1 - i], lambda: b[i // 2],
            lambda: load(self.w, (const(1),)), lambda: self.w[i % 3], lambda: self.w[self.k],
            lambda: const(3, d), lambda: cast(i % 7, d), lambda: cast(self.k, d),
            lambda: self.c[i], lambda: lanes[const(self.draw(2)), self.lane],
            lambda: scalars[const(self.draw(2))], shifted, taken,
        ]  # fmt: skip

    def value(self, depth: int) -> Expr:
        if depth == 0 or self.chance(0.12):
            return self.leaves[self.draw(len(self.leaves))]()
        kind = self.draw(6)
        if kind == 0:
            return select(self.test(depth - 1), self.value(depth - 1), self.value(depth - 1))
        if kind == 1:
            return apply(self.one_of(("abs", "neg")), self.value(depth - 1))
        names = ["add", "sub", "mul", "minimum", "maximum"]
        if self.dtype.is_integer:
            names += ["floordiv", "mod", "shl", "shr", "bitxor"]
        return apply(self.one_of(names), self.value(depth - 1), self.value(depth - 1))

    def test(self, depth: int) -> Expr:
        if self.chance(0.4):
            i = self.i
            tests = (i < self.draw(60), apply("eq", i % 3, const(1)), i >= self.draw(30))
            return (*tests, self.k > 0)[self.draw(4)]
        inner = max(depth - 1, 0)
        names = ("lt", "ge", "eq", "ne", "le", "gt")
        found = apply(self.one_of(names), self.value(inner), self.value(inner))
        if depth > 0 and self.chance(0.3):
            found = apply(self.one_of(("bitand", "bitor")), found, self.test(depth - 1))
        return found

    def stmt(self, depth: int) -> Stmt:
        kind = self.draw(5)
        if depth > 0 and kind == 0:
            other = self.stmt(depth - 1) if self.chance(0.5) else None
            return If(self.test(2), self.stmt(depth - 1), other)
        if depth > 0 and kind == 1:
            return seq(self.stmt(depth - 1), self.stmt(depth - 1))
        target, indices = self.places[self.draw(len(self.places))]()
        if kind == 2:
            combiner = reducer(self.one_of(("sum", "max", "min")), self.dtype)
            return Accumulate(combiner, (target,), indices, (self.value(3),))
        return Store(target, indices, self.value(4))

    def program(self) -> Program:
        lanes, scalars = self.registers

        def vector(body: Stmt, extent: int = self.width) -> Stmt:
            return For(self.lane, extent, body, LoopKind.VECTORIZED)

        start = [Store(scalars, (const(j),), const(j + 1, self.dtype)) for j in (0, 1)]
        clear = [vector(Store(lanes, (const(j), self.lane), const(j, self.dtype))) for j in (0, 1)]
        kind = LoopKind.UNROLLED if self.chance(0.3) else LoopKind.SERIAL
        steps = For(self.k, 3, vector(If(self.i < N, self.stmt(3))), kind)
        flush = vector(If(self.i < N, Store(self.e, (self.i,), lanes[const(1), self.lane])))
        body = Allocate(self.registers, seq(*start, *clear, steps, flush))
        outer = LoopKind.PARALLEL if self.chance(0.3) else LoopKind.SERIAL
        loop = For(self.outer, -(-N // self.width), body, outer)
        params = (self.a, self.b, self.keys, self.w, self.c, self.e)
        return Program("random", params, loop, 2, attrs={"noalias": self.chance(0.5)})

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        low = 0 if self.dtype.kind == "u" else -9

        def some(n: int) -> np.ndarray[Any, Any]:
            return self.rng.integers(low, 9, n).astype(self.dtype.numpy)

        return [some(N), some(N), self.rng.integers(-9, 70, N), some(3), some(N), some(N)]


def same(
    got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], dtype: DType
) -> np.ndarray[Any, Any]:
    if not dtype.is_float:
        return got == want
    x, y = got.astype(np.float64), want.astype(np.float64)
    return (x == y) | (np.isnan(x) & np.isnan(y)) | ~(np.abs(y) < EXACT[dtype])


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(run_llvm: Any, seed: int) -> None:
    writer = Writer(seed)
    program, arrays = writer.program(), writer.arrays()
    got, want = [x.copy() for x in arrays], [x.copy() for x in arrays]
    assert run_llvm(program, *got, debug=seed % 4 == 3) == 0
    with silent():
        interpret(program, *want)
    for x, y in zip(got[4:], want[4:]):
        good = same(x, y, writer.dtype)
        assert good.all(), f"{writer.dtype} at {np.flatnonzero(~good)}: {x[~good]}, not {y[~good]}"
