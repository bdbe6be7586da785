"""Vectors that overlap in memory are picked from those that lie end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import Target
from mlc.dtypes import DType, float32, float64, int32
from mlc.ir.expr import Expr, Var, const
from mlc.ir.interpret import interpret
from mlc.ir.program import Buffer, For, If, LoopKind, Program, Stmt, Store, seq
from tests.backends.conftest import one_kernel

Offsets = tuple[tuple[int, int], ...]
FIVE: Offsets = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))


def windows(
    offsets: Offsets, rows: int, columns: int, dtype: DType = float32, unroll: int = 4
) -> Program:
    """``c[i, j]`` is the sum of ``a[i + y, j + x]``, each once more than the one before: whole
    vectors first, then the rest, the last one under a mask."""
    high, wide = max(y for y, _ in offsets), max(x for _, x in offsets)
    a = Buffer("a", (rows + high, columns + wide), dtype)
    c = Buffer("c", (rows, columns), dtype)
    lanes = 64 // dtype.itemsize
    i, o = Var("i"), Var("o")

    def vector(start: Expr | int, masked: bool = False) -> Stmt:
        lane = Var("lane")
        j = lane + start
        total: Expr = const(0, dtype)
        for k, (y, x) in enumerate(offsets):
            total = total + a[i + y, j + x] * const(k + 1, dtype)
        body: Stmt = Store(c, (i, j), total)
        return For(lane, lanes, If(j < columns, body) if masked else body, LoopKind.VECTORIZED)

    whole, rest = divmod(columns, lanes * unroll)
    done = whole * lanes * unroll
    parts = [vector(done + at, masked=at + lanes > rest) for at in range(0, rest, lanes)]
    if whole:
        steps = [vector(o * (lanes * unroll) + u * lanes) for u in range(unroll)]
        parts.insert(0, For(o, whole, seq(*steps)))
    return Program("windows", (a, c), For(i, rows, seq(*parts)))


def loads(program: Program) -> int:
    text = one_kernel(program).text
    return sum(" = load " in line and "<" in line for line in text.splitlines())


@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_windows_equal_the_interpreter(
    monkeypatch: Any, run_llvm: Any, dtype: DType, seed: int
) -> None:
    """The last element of the array is the last one that is read."""
    monkeypatch.setattr(Target, "shares_lines", property(lambda target: True))
    rng = np.random.default_rng(seed)
    chosen = rng.choice(3 * 40, int(rng.integers(2, 9)), replace=False)
    offsets = FIVE if seed == 0 else tuple((int(n) % 3, int(n) // 3) for n in chosen)
    program = windows(offsets, 3, int(rng.integers(1, 150)), dtype, int(rng.integers(1, 5)))
    shape, out = (b.shape for b in program.params)
    x = rng.integers(-9, 9, shape).astype(dtype.numpy)
    got, want = np.full(out, 7, dtype.numpy), np.full(out, 7, dtype.numpy)
    assert run_llvm(program, x, got) == 0
    interpret(program, x.copy(), want)
    np.testing.assert_array_equal(got, want)


def test_a_row_that_neighbours_read_is_loaded_once(monkeypatch: Any) -> None:
    """Four vectors: two loads each of the rows above and below, five of the row itself."""
    program = windows(FIVE, 3, 64)
    assert loads(program) in (13, 20)
    monkeypatch.setattr(Target, "shares_lines", property(lambda target: True))
    assert loads(program) == 2 * 4 + 5
    monkeypatch.setattr(Target, "shares_lines", property(lambda target: False))
    assert loads(program) == 5 * 4


@pytest.mark.parametrize("seen", [False, True])
def test_truths_that_overlap_are_truths(monkeypatch: Any, seen: bool) -> None:
    monkeypatch.setattr(Target, "shares_lines", property(lambda target: seen))
    x = np.random.default_rng(0).normal(size=700)
    found = mlc.jit(lambda x: np.unique(x > 0))(x)
    np.testing.assert_array_equal(found, [False, True])


def test_what_is_written_is_loaded_as_it_is_then(monkeypatch: Any, run_llvm: Any) -> None:
    """Of an array that the vectors write themselves none is kept."""
    monkeypatch.setattr(Target, "shares_lines", property(lambda target: True))
    a = Buffer("a", (96,), float32)

    def vector(start: int) -> Stmt:
        lane = Var("lane")
        j = lane + start
        return For(lane, 16, Store(a, (j + 32,), a[j] + a[j + 1]), LoopKind.VECTORIZED)

    program = Program("waves", (a,), seq(*map(vector, (0, 16, 32, 48))))
    got = np.arange(96, dtype=np.float32)
    want = got.copy()
    assert run_llvm(program, got) == 0
    for start in (0, 16, 32, 48):
        want[start + 32 : start + 48] = want[start : start + 16] + want[start + 1 : start + 17]
    np.testing.assert_array_equal(got, want)
