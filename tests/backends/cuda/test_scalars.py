"""Every scalar function of every dtype, as CUDA C on the processor and in the interpreter."""

from __future__ import annotations

import contextlib
from itertools import product
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.dtypes import ALL, DType, boolean, float16, float32, float64, int16, int64, uint16
from mlc.ir.combiner import make_combiner, reducer
from mlc.ir.expr import Expr, Var, apply, cast, const, load
from mlc.ir.program import Accumulate, Buffer, For, LoopKind, Program, Stmt, Store, seq
from mlc.ir.scalar import SCALAR_FNS
from mlc.testing.cuda import assert_compiles

from .conftest import needs_compiler

pytestmark = needs_compiler
Array = np.ndarray[Any, Any]

FLOATS_ONLY = ("div", "sqrt", "copysign")
INTEGERS_ONLY = ("bitand", "bitor", "bitxor", "shl", "shr", "invert")
EVERYWHERE = (
    "add", "sub", "mul", "floordiv", "mod", "fmod", "minimum", "maximum", "fmin", "fmax", "eq",
    "ne", "lt", "le", "gt", "ge", "neg", "abs", "floor", "ceil", "trunc", "rint", "isnan", "isinf",
    "isfinite", "signbit",
)  # fmt: skip
MATHS = tuple(
    name
    for name, row in SCALAR_FNS.items()
    if row.cost >= 12 and row.arity < 3 and not name.startswith("libm")
)


def special(dtype: DType) -> Array:
    """Values at which functions go wrong, and plain ones."""
    if dtype is boolean:
        return np.array([False, True])
    if dtype.is_float:
        return np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 3.0, 7.25]).astype(
            dtype.numpy
        )
    low = [dtype.lowest, dtype.highest, 0, 1, 3, 7, 70]
    return np.array(low + ([-1, -3] if dtype.kind == "i" else [2]), dtype.numpy)


class Kernels:
    """Stores ``out[i] = expression`` for many outputs, in one kernel."""

    def __init__(self) -> None:
        self.inputs: dict[Buffer, Array] = {}
        self.outputs: list[Buffer] = []
        self.stmts: list[Stmt] = []
        self.labels: list[str] = []

    def pair(self, dtype: DType) -> tuple[Buffer, Buffer]:
        values = special(dtype)
        both = np.array(list(product(values, values)), dtype.numpy)
        made = []
        for n, name in enumerate("xy"):
            buffer = Buffer(f"{name}_{dtype.name}", (len(both),), dtype)
            self.inputs[buffer] = np.ascontiguousarray(both[:, n])
            made.append(buffer)
        return made[0], made[1]

    def add(self, label: str, count: int, value: Any) -> None:
        i = Var("i")
        made: Expr = value(i)
        out = Buffer(f"out{len(self.outputs)}", (count,), made.dtype)
        self.outputs.append(out)
        self.labels.append(label)
        bound = (("thread", "threadIdx.x"),)
        self.stmts.append(For(i, count, Store(out, (i,), made), LoopKind.BOUND, bound))

    def check(self, exact: bool = True) -> None:
        params = (*self.inputs, *self.outputs)
        program = Program("scalars", params, seq(*self.stmts), len(self.outputs))
        results = []
        for target in ("cuda-emulated", "interpret"):
            arrays = [np.zeros(b.shape, b.dtype.numpy) for b in self.outputs]
            with mlc.config.override(emulated_checks=False):
                mlc.build(program, target=target)(*self.inputs.values(), *arrays)
            results.append(arrays)
        for label, got, want in zip(self.labels, *results, strict=True):
            if not exact and got.dtype.kind not in "biu":
                got, want = got.astype("float64"), want.astype("float64")
                tolerance = 1e-2 if "16" in label else 3e-7 if "32" in label else 1e-15
                np.testing.assert_allclose(got, want, tolerance * 4, tolerance, err_msg=label)
                continue
            if got.dtype.name == "bfloat16":
                got, want = got.astype("float32"), want.astype("float32")
            np.testing.assert_array_equal(got, want, label)
            if got.dtype.kind == "f":
                if label.split()[0] in ("minimum", "maximum", "fmin", "fmax", "next"):
                    continue  # which of two zeros is less nobody says
                numbers = want == want
                np.testing.assert_array_equal(
                    np.signbit(got)[numbers], np.signbit(want)[numbers], label
                )


def applied(fn: str, *args: Expr) -> Expr:
    return apply(fn, *args[: SCALAR_FNS[fn].arity])


@pytest.mark.parametrize("kind", ["b", "i", "u", "f"])
def test_functions_mean_what_the_interpreter_says(kind: str) -> None:
    kernels = Kernels()
    for dtype in (d for d in ALL if d.kind == kind):
        x, y = kernels.pair(dtype)
        names = EVERYWHERE + (FLOATS_ONLY if dtype.is_float else INTEGERS_ONLY)
        for fn in names:
            if fn == "rint" and not dtype.is_float:
                continue  # NumPy rounds integers by way of float64
            kernels.add(
                f"{fn} {dtype}", x.size, lambda i: applied(fn, load(x, (i,)), load(y, (i,)))
            )
    kernels.check()


def test_powers_of_integers() -> None:
    kernels = Kernels()
    for dtype in (d for d in ALL if d.is_integer):
        x, y = kernels.pair(dtype)
        kernels.add(f"pow {dtype}", x.size, lambda i: apply("pow", load(x, (i,)), load(y, (i,))))
    kernels.check()


def test_conversions() -> None:
    kernels = Kernels()
    for dtype in ALL:
        x, _ = kernels.pair(dtype)
        for other in ALL:
            kernels.add(f"{dtype} as {other}", x.size, lambda i: cast(load(x, (i,)), other))
    kernels.check()


def test_functions_of_mathematics() -> None:
    kernels = Kernels()
    for dtype in (d for d in ALL if d.is_float):
        values = np.array([-3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 10.0, np.nan]).astype(dtype.numpy)
        x, y = Buffer(f"x_{dtype.name}", (9,), dtype), Buffer(f"y_{dtype.name}", (9,), dtype)
        kernels.inputs[x], kernels.inputs[y] = values, values[::-1].copy()
        for fn in MATHS:
            if SCALAR_FNS[fn].result == "same":
                kernels.add(f"{fn} {dtype}", 9, lambda i: applied(fn, load(x, (i,)), load(y, (i,))))
    kernels.check(exact=False)


def test_bits_and_neighbours() -> None:
    kernels = Kernels()
    for dtype, bits in ((float16, uint16), (float32, mlc.dtypes.int32), (float64, int64)):
        x, y = kernels.pair(dtype)
        kernels.add(f"bits {dtype}", x.size, lambda i: apply("bitcast", load(x, (i,)), dtype=bits))
        kernels.add(
            f"back {dtype}",
            x.size,
            lambda i: apply("bitcast", apply("bitcast", load(x, (i,)), dtype=bits), dtype=dtype),
        )
        kernels.add(
            f"next {dtype}", x.size, lambda i: apply("nextafter", load(x, (i,)), load(y, (i,)))
        )
    kernels.check()


def test_accumulation() -> None:
    """Every combiner, one of several parts among them."""
    stmts: list[Stmt] = []
    inputs: dict[Buffer, Array] = {}
    outputs: list[Buffer] = []
    generator = np.random.default_rng(3)
    for dtype in (int16, int64, float16, float32):
        x = Buffer(f"x_{dtype.name}", (8,), dtype)
        inputs[x] = generator.integers(-9, 9, 8).astype(dtype.numpy)
        for name in ("sum", "prod", "max", "min"):
            out, k = Buffer(f"{name}_{dtype.name}", (1,), dtype), Var("k")
            combiner = reducer(name, dtype)
            start = Store(out, (const(0),), combiner.identity[0])
            update = Accumulate(combiner, (out,), (const(0),), (load(x, (k,)),))
            stmts += [start, For(k, 8, update)]
            outputs.append(out)

    def better(a: Any, b: Any) -> Any:
        return (
            mlc.te.select(b[0] > a[0], b[0], a[0]),
            mlc.te.select(b[0] > a[0], b[1], a[1]),
        )

    largest = make_combiner("argmax", better, (-np.inf, -1), (float32, int64))
    x, k = Buffer("z", (8,), float32), Var("k")
    inputs[x] = np.array([1, 5, 2, 9, 9, 3, -4, 0], "float32")
    best, at = Buffer("best", (1,), float32), Buffer("at", (1,), int64)
    zero = (const(0),)
    stmts += [Store(best, zero, const(-np.inf, float32)), Store(at, zero, const(-1))]
    stmts.append(For(k, 8, Accumulate(largest, (best, at), zero, (load(x, (k,)), k))))
    outputs += [best, at]
    program = Program("folds", (*inputs, *outputs), seq(*stmts), len(outputs))
    results = []
    for target in ("cuda-emulated", "interpret"):
        arrays = [np.zeros(b.shape, b.dtype.numpy) for b in outputs]
        mlc.build(program, target=target)(*inputs.values(), *arrays)
        results.append(arrays)
    assert results[0][-1] == [3]
    for buffer, got, want in zip(outputs, *results, strict=True):
        np.testing.assert_array_equal(got, want, buffer.name)


def test_integers_of_all_kinds_with_constants() -> None:
    names = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    arrays = [(np.arange(250, 257) * 251).astype(name) for name in names]

    def f(*xs: Any) -> Any:
        return [(x * 2 + 1, (x + 1) * (x - 2) * 5) for x in xs]

    jitted = mlc.jit(f, target="cuda-emulated")
    with contextlib.suppress(mlc.UnsupportedError):  # no NVRTC
        assert_compiles(jitted.lower(*arrays).compiled.device_module)
    for got, wanted in zip(jitted(*arrays), f(*arrays), strict=True):
        np.testing.assert_array_equal(got, wanted)
