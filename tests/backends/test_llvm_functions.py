"""Every scalar function and every conversion of every dtype, in vectors and alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target
from mlc.dtypes import (
    ALL,
    DType,
    bfloat16,
    boolean,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    uint8,
    uint16,
    uint32,
)
from mlc.ir.arithmetic import convert, scalar_function, silent
from mlc.ir.expr import Expr, Var, apply, cast
from mlc.ir.program import Buffer, For, If, LoopKind, Program, Seq, Store
from mlc.ir.scalar import SCALAR_FNS

# NumPy turns integers into floats first.
FLOATS_ONLY = {"div", "copysign", "nextafter", "sqrt", "isnan", "isinf", "isfinite", "signbit"}
INTEGERS_ONLY = {"bitand", "bitor", "bitxor", "invert", "shl", "shr", "dot4"}
LIBM = {name for name, row in SCALAR_FNS.items() if row.cost >= 12} - {"pow"}


def functions_of(dtype: DType) -> list[str]:
    others = {"bitcast", "lookup16", "scale", "unless_below", "exp_less"}  # of some numbers alone
    names = [n for n in SCALAR_FNS if n not in others]
    if not host_target().has_fma:
        names.remove("fma")  # rounded twice there
    if dtype.is_float:
        return [n for n in names if n not in INTEGERS_ONLY]
    # The reference rounds integers by way of float64, which 64-bit ones do not survive.
    no = FLOATS_ONLY | LIBM | ({"rint"} if dtype.bits == 64 else set())
    return [n for n in names if n not in no]


def samples(dtype: DType, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Small numbers, any numbers, and the special ones."""
    rng = np.random.default_rng(seed)
    if dtype is boolean:
        return rng.integers(0, 2, count).astype(bool)
    if dtype.is_float:
        special = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 3e4, 1e-7]
        small = rng.standard_normal(count) * 3
        whole = rng.integers(-4, 5, count)
        x = np.where(rng.random(count) < 0.5, small, whole)
        x[: len(special)] = rng.permutation(special)
        return x.astype(dtype.numpy)
    low, high = int(dtype.lowest), int(dtype.highest)
    any_bits = rng.integers(low, high, count, dtype.numpy, endpoint=True)
    small = rng.integers(max(low, -5), 6, count).astype(dtype.numpy)
    x = np.where(rng.random(count) < 0.6, small, any_bits)
    special = [low, high, 0, 1, 2, dtype.bits, dtype.bits - 1, high - 1]
    x[: len(special)] = rng.permutation(np.array(special, dtype.numpy))
    return x


def loops(n: int, width: int, out: Buffer, value: Any) -> For:
    outer, lane = Var("o"), Var("l")
    i = outer * width + lane
    inner: Any = Store(out, (i,), value(i))
    if n % width:
        inner = If(i < n, inner)
    return For(outer, -(-n // width), For(lane, width, inner, LoopKind.VECTORIZED))


def tolerance(fn: str, dtype: DType) -> float:
    """Of libm: 4 units in the last place of the wider of ``dtype`` and float32; the rest is
    exact."""
    if fn not in LIBM and fn != "pow" or not dtype.is_float:
        return 0.0
    return {float64: 2.0**-50, float32: 2.0**-21, float16: 2.0**-10, bfloat16: 2.0**-7}[dtype]


def assert_same(got: Any, want: Any, rtol: float, what: str) -> None:
    if got.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want, err_msg=what)
    else:
        got, want = got.astype(np.float64), want.astype(np.float64)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=0, err_msg=what)


def exact_fma(a: np.float64, b: np.float64, c: np.float64) -> float:
    """The reference rounds twice in float64."""
    total = a * b + c
    if not np.isfinite(total) or total == 0:
        return float(total)
    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


@pytest.mark.parametrize("width", [1, 16])
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_functions(run_llvm: Any, dtype: DType, width: int) -> None:
    n = 77
    params = tuple(Buffer(name, (n,), dtype) for name in "abc")
    arrays = [samples(dtype, n, seed) for seed in (1, 2, 3)]
    cases = []
    for fn in functions_of(dtype):
        row = SCALAR_FNS[fn]

        def value(i: Expr, fn: str = fn, arity: int = row.arity) -> Expr:
            return apply(fn, *(p[i] for p in params[:arity]))

        result = boolean if row.result == "bool" else dtype
        out = Buffer(fn, (n,), result)
        with silent():
            want = scalar_function(fn, result, dtype)(*arrays[: row.arity])
            if fn == "fma" and dtype is float64:
                want = np.array([exact_fma(*xs) for xs in zip(*arrays)])
        cases.append((out, value, want))
    outputs = [np.zeros(n, out.dtype.numpy) for out, _, _ in cases]
    body = Seq(tuple(loops(n, width, out, value) for out, value, _ in cases))
    program = Program("functions", (*params, *(c[0] for c in cases)), body, len(cases))
    assert run_llvm(program, *arrays, *outputs) == 0
    for (out, _, want), got in zip(cases, outputs):
        assert_same(got, want, tolerance(out.name, dtype), f"{out.name} of {dtype}")


@pytest.mark.parametrize("width", [1, 16])
@pytest.mark.parametrize("source", ALL, ids=str)
def test_conversions(run_llvm: Any, source: DType, width: int) -> None:
    n = 61
    a = Buffer("a", (n,), source)
    x = samples(source, n, 5)
    outs = [Buffer(f"to_{d}", (n,), d) for d in ALL]
    arrays = [np.zeros(n, d.numpy) for d in ALL]
    body = Seq(tuple(loops(n, width, o, lambda i, d=o.dtype: cast(a[i], d)) for o in outs))
    assert run_llvm(Program("casts", (a, *outs), body, len(outs)), x, *arrays) == 0
    for out, got in zip(outs, arrays):
        with silent():
            want = convert(x, out.dtype)
            if source.is_float and out.dtype.is_integer:
                # Elsewhere NumPy's answer depends on the length of the array.
                whole = np.trunc(x.astype(np.float64))
                fits = (whole >= out.dtype.lowest) & (whole < float(out.dtype.highest) + 1)
                got, want = got[fits], want[fits]
        assert_same(got, want, 0.0, f"{source} to {out.dtype}")


@pytest.mark.parametrize("width", [1, 16])
def test_float16_without_instructions_for_it(run_llvm: Any, width: int) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with silent():
        near = every.astype(np.float32)[:, None] * np.float32([1, 1 + 2.0**-11, 1 - 2.0**-11])
    singles = np.append(near.ravel(), np.float32([65519.9, 65520, 1e30, 3e-8, 2.9e-8, np.nan]))
    short, long = Buffer("s", (every.size,), float16), Buffer("l", (singles.size,), float32)
    wide, narrow = Buffer("w", (every.size,), float32), Buffer("n", (singles.size,), float16)
    body = Seq(
        (
            loops(every.size, width, wide, lambda i: cast(short[i], float32)),
            loops(singles.size, width, narrow, lambda i: cast(long[i], float16)),
        )
    )
    program = Program("halves", (short, long, wide, narrow), body, 2)
    out = np.zeros(every.size, np.float32), np.zeros(singles.size, np.float16)
    target = replace(host_target(), has_f16c=False)
    assert run_llvm(program, every, singles, *out, target=target) == 0
    with silent():
        np.testing.assert_array_equal(out[0], every.astype(np.float32))
        np.testing.assert_array_equal(out[1], singles.astype(np.float16))
        assert (np.signbit(out[0]) == np.signbit(every))[~np.isnan(every)].all()


@pytest.mark.parametrize("dtype", [int8, uint8, int16, uint16, int32, uint32], ids=str)
def test_division_in_vectors_is_exact(run_llvm: Any, dtype: DType) -> None:
    """Divisors around which a rounded quotient could cross an integer."""
    low, high = int(dtype.lowest), int(dtype.highest)
    rng = np.random.default_rng(0)
    b = rng.integers(low, high, 4096, np.int64, endpoint=True) >> rng.integers(0, dtype.bits, 4096)
    b[b == 0] = 3
    q = rng.integers(low, high, 4096, np.int64, endpoint=True) // b
    a = np.clip(q * b + rng.integers(-1, 2, 4096), low, high)
    arrays = [x.astype(dtype.numpy) for x in (a, b)]
    x, y, z, w = (Buffer(name, (4096,), dtype) for name in "xyzw")
    body = Seq(
        (
            loops(4096, 16, z, lambda i: x[i] // y[i]),
            loops(4096, 16, w, lambda i: x[i] % y[i]),
        )
    )
    out = [np.zeros(4096, dtype.numpy) for _ in "zw"]
    assert run_llvm(Program("divide", (x, y, z, w), body, 2), *arrays, *out) == 0
    with silent():
        np.testing.assert_array_equal(out[0], arrays[0] // arrays[1])
        np.testing.assert_array_equal(out[1], arrays[0] % arrays[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", ["cpu", "cuda-emulated"])
def test_what_two_products_make_is_rounded_as_numpy_does(dtype: Any, target: Any) -> None:
    """The side of a line on which a point lies: 0 for three in one line, whatever their digits."""

    def sides(a: Any, b: Any, c: Any) -> Any:
        (x, y), (p, q) = b - a, c - a
        return x * q - y * p, x * p + y * q, y * p - x * q

    k = np.arange(1, 65, dtype=dtype)
    points = [np.stack([f * k, f * k]) for f in (dtype(0.1), dtype(0.3), dtype(0.7))]
    found, wanted = mlc.jit(sides, target=target)(*points), sides(*points)
    for got, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert not found[0].any()
