"""Low-level NumPy: its text, and that it does what the interpreter does, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import te
from mlc.backends.base import backend
from mlc.dtypes import DType, boolean, float32
from mlc.errors import ArgumentError, ShapeError, UnsupportedError
from mlc.ir.expr import Var, apply
from mlc.ir.program import Buffer, For, Program, Store
from mlc.ir.scalar import SCALAR_FNS
from mlc.te.evaluate import evaluate
from tests.backends.expressions import KINDS, expressions, inputs, values_of
from tests.ir import samples

interpret, lnumpy = backend("interpret"), backend("numpy")


def arrays_for(program: Program) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [(rng.normal(size=b.shape) * 4).astype(b.dtype.numpy) for b in program.params]


@pytest.mark.parametrize("name", samples.ALL)
def test_text(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"lnumpy_{name}", lnumpy.source(samples.ALL[name]()))


@pytest.mark.parametrize("name", samples.ALL)
def test_samples_run_as_interpreted(name: str) -> None:
    program = samples.ALL[name]()
    ours, theirs = arrays_for(program), arrays_for(program)
    lnumpy.compile(program)(*ours)
    interpret.compile(program)(*theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_the_text_is_a_module_of_its_own() -> None:
    space: dict[str, Any] = {}
    exec(lnumpy.source(samples.mm_relu()), space)
    a, b, c = arrays_for(samples.mm_relu())
    space["lnumpy_mm_relu"](a, b, c)
    np.testing.assert_allclose(c, np.maximum(a @ b, 0), rtol=0, atol=5 * 5 * 64 * 2.0**-23)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@settings(max_examples=60)
@given(data=st.data())
def test_random_expressions(dtype: DType, data: Any) -> None:
    x = inputs()
    depth = data.draw(st.integers(1, 5))
    y = te.compute((6,), lambda i: data.draw(expressions(x, i, dtype, depth)), name="y")
    feeds = {tensor: values_of(kind) for kind, tensor in x.items()}
    program = samples.program_of("p", [y], list(x.values()))
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (want,) = evaluate([y], feeds)
        for engine in (interpret, lnumpy):
            out = np.zeros(6, dtype.numpy)
            engine.compile(program)(*feeds.values(), out)
            results.append(out)
    wide = "float64" if dtype.is_float else dtype.numpy
    for out in results:
        np.testing.assert_array_equal(out.astype(wide), want.astype(wide), lnumpy.source(program))


UNARY = [
    fn.name
    for fn in SCALAR_FNS.values()
    if fn.arity == 1 and fn.name not in ("neg", "invert", "bitcast")
]


@pytest.mark.parametrize("dtype", [d for d in KINDS if d.is_float], ids=str)
@pytest.mark.parametrize("fn", UNARY)
def test_functions(fn: str, dtype: DType) -> None:
    x = te.placeholder((6,), dtype, name="x")
    y = te.compute((6,), lambda i: apply(fn, x[i]))
    values = values_of(dtype)
    (want,) = evaluate([y], {x: values})
    for engine in (interpret, lnumpy):
        out = np.zeros(6, want.dtype)
        engine.compile(samples.program_of("p", [y], [x]))(values, out)
        if want.dtype == bool:
            np.testing.assert_array_equal(out, want)
        else:  # NumPy's loops over arrays may round otherwise than those over scalars
            unit = np.finfo(np.float32).eps if dtype is float32 else 2.0**-7
            got, expected = out.astype("float64"), want.astype("float64")
            np.testing.assert_allclose(got, expected, rtol=4 * unit, atol=1e-30)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_reductions(name: str, dtype: DType) -> None:
    x = te.placeholder((6,), dtype, name="x")
    k = te.reduce_axis(6)
    y = te.compute((), lambda: getattr(te, name)(x[k], axis=k), name="y")
    values = values_of(dtype)
    (want,) = evaluate([y], {x: values})
    for engine in (interpret, lnumpy):
        out = np.zeros((), want.dtype)
        engine.compile(samples.program_of("p", [y], [x]))(values, out)
        np.testing.assert_array_equal(out.astype("float64"), want.astype("float64"))


def test_index_arithmetic_meets_data() -> None:
    n = te.placeholder((4,), "int64", name="n")
    y = te.compute((4,), lambda i: (i * 3 - n[i]) // (i + 1) % (i - 2) + te.max(i, 2))
    b = te.compute((4,), lambda i: ~((i < 2) & (n[i] > 0)))
    c = te.compute((4,), lambda i: te.cast(i * 100, "int8") + te.cast(i < 2, "int8"))
    values = np.array([5, -(2**63), 2**63 - 1, 0])
    for tensor in (y, b, c):
        (want,) = evaluate([tensor], {n: values})
        for engine in (interpret, lnumpy):
            out = np.zeros(4, want.dtype)
            engine.compile(samples.program_of("p", [tensor], [n]))(values, out)
            np.testing.assert_array_equal(out, want)


def test_a_constant_side_of_a_select_keeps_its_type() -> None:
    """A bare 1.0 would make the sum a float64 and round once instead of twice."""
    x = te.placeholder((2,), "float32", name="x")
    y = te.compute((2,), lambda i: te.select(x[i] > 0, 1.0, x[i]) + 1e-8 - 1.0)
    out = np.zeros(2, "float32")
    lnumpy.compile(samples.program_of("p", [y], [x]))(np.array([1, -1], "float32"), out)
    np.testing.assert_array_equal(out, [0, -2])


def test_empty_reduction() -> None:
    x = te.placeholder((2, 0), "float32", name="x")
    k = te.reduce_axis(0)
    y = te.compute((2,), lambda i: te.prod(x[i, k], axis=k))
    out = np.zeros(2, "float32")
    lnumpy.compile(samples.program_of("p", [y], [x]))(np.zeros((2, 0), "float32"), out)
    np.testing.assert_array_equal(out, [1, 1])


def test_refusals_are_sentences() -> None:
    with pytest.raises(UnsupportedError, match="low-level NumPy cannot call 'prefetch'"):
        lnumpy.source(samples.with_call())
    with pytest.raises(ShapeError, match=r"expected shape \(6,\) for x, got \(8,\)"):
        lnumpy.compile(samples.padded())(np.zeros(8), np.zeros(8))
    with pytest.raises(ArgumentError, match="padded takes 2 arrays, got 1"):
        lnumpy.compile(samples.padded())(np.zeros(8))
    with pytest.raises(ArgumentError, match="no backend 'fortran' for programs; there are"):
        backend("fortran")


def test_more_loops_than_python_nests_are_refused() -> None:
    x = Buffer("x", (1,) * 25, float32)
    loops = [Var("i") for _ in range(25)]
    body: Any = Store(x, tuple(loops), loops[0].astype("float32") + 1)
    for var in loops:
        body = For(var, 1, body)
    program = Program("deep", (x,), body)
    with pytest.raises(UnsupportedError, match='allows 20 of them: use the backend "interpret"'):
        lnumpy.compile(program)
    out = np.zeros(x.shape, "float32")
    interpret.compile(program)(out)
    assert out.item() == 1


def test_names_do_not_clash() -> None:
    np_, helper = Buffer("np", (2,), float32), Buffer("range", (2,), boolean)
    i = Var("min")
    body = For(i, 2, Store(np_, (i,), helper[i].astype("float32") + te.max(i, 1).astype("float32")))
    out = np.zeros(2, "float32")
    lnumpy.compile(Program("lambda", (helper, np_), body))(np.array([True, False]), out)
    assert out.tolist() == [2, 1]


def test_an_index_outside_is_named_with_its_line() -> None:
    a, places = te.placeholder((5,), "float64", name="A"), te.placeholder((2,), "int64", name="I")
    b = te.compute((2,), lambda j: a[places[j]], name="B")
    picked, out = mlc.build([a, places, b], target="numpy"), np.zeros(2)
    picked(np.arange(5.0), np.array([0, 4]), out)
    assert out.tolist() == [0, 4]
    line = r"'B\[j\] = A\[place\(I\[j\], 5\)\]'"
    for index, axis in ((7, "axis 0"), (-1, "an axis")):
        said = rf"index {index} is out of bounds for {axis} with size 5, in {line} of B\n  at"
        with pytest.raises(mlc.BoundsError, match=said):
            picked(np.zeros(5), np.array([0, index]), out)
