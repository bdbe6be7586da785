"""The vector mathematics as other processors run it, against exact values, and lane by lane."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.llvmlite_binding import emit_assembly
from mlc.backends.llvm.module import BufferRef, KernelCall, module_text
from mlc.backends.llvm.target import Target, host_target
from mlc.dtypes import DType, float32, float64
from mlc.errors import CompileError
from mlc.ir.expr import Expr, Var, apply, const
from mlc.ir.program import Buffer, For, LoopKind, Program, Store
from mlc.ir.scalar import SCALAR_FNS
from mlc.lower.expand_math import expand_math_program
from mlc.lower.maths.terms import format_of
from mlc.runtime.image import compile_image, load_image
from mlc.runtime.symbols import resolver
from tests.lower.test_maths import CASES, SLOW, WIDE, Array, samples, specials, ulps

X86 = host_target().arch == "x86_64"
# Those that are lost where a product is rounded before it is added; the code for that is long.
EXACT = ("exp", "sin", "tan", "sinh", "erfc", "pow", "log10", "cbrt")
AVX2 = ("avx", "avx2", "fma", "f16c", "sse4.2")


def target(name: str) -> Target:
    """A processor of the host's kind with fewer features, or one of another kind."""
    if name == "host":
        return host_target()
    if name == "neon":
        return Target(
            "aarch64-unknown-linux-gnu", "generic", "+neon", "", 128, 32, True, True, False, False
        )
    if not X86:
        pytest.skip(f"{name} is a kind of x86-64")
    if name == "avx2":
        features = ",".join(f"+{f}" for f in AVX2)
        if not set(features.split(",")) <= set(host_target().features.split(",")):
            pytest.skip("this processor has no AVX2")
        return replace(host_target(), cpu="x86-64", features=features, vector_bits=256)
    return replace(
        host_target(), cpu="x86-64", features="", vector_bits=128, has_fma=False, has_f16c=False
    )


def program_of(
    function: Callable[..., Expr], dtype: DType, arity: int, size: int, lanes: int
) -> Program:
    """``function`` of the elements of ``arity`` buffers, ``lanes`` at once; 0 for one by one."""
    buffers = [Buffer(f"b{i}", (size,), dtype) for i in range(arity + 1)]
    step, lane = Var("step"), Var("lane")
    index = step * max(lanes, 1) + lane if lanes else step
    store = Store(buffers[-1], (index,), function(*(b[index] for b in buffers[:-1])))
    body = For(lane, lanes, store, LoopKind.VECTORIZED) if lanes else store
    return Program("f", tuple(buffers), For(step, size // max(lanes, 1), body))


def text_of(program: Program, machine: Target) -> str:
    refs = tuple(BufferRef("param", i) for i in range(len(program.params)))
    return module_text([expand_math_program(program)], [KernelCall(0, refs)], machine).text


def run(program: Program, machine: Target, *arrays: Array) -> Array:
    """The last buffer of ``program``, compiled for ``machine``."""
    result = np.empty(program.params[-1].shape, program.params[-1].dtype.numpy)
    image = load_image(compile_image(text_of(program, machine), machine), resolver({}))
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
    all_arrays = [np.ascontiguousarray(a) for a in arrays] + [result]
    pointers = (ctypes.c_void_p * len(all_arrays))(*(a.ctypes.data for a in all_arrays))
    assert kind(image.address("mlc_main"))(ctypes.addressof(pointers), None) == 0
    return result


def called(
    name: str, dtype: DType, machine: Target, lanes: int, *arrays: Array
) -> np.ndarray[Any, Any]:
    program = program_of(lambda *xs: apply(name, *xs), dtype, len(arrays), len(arrays[0]), lanes)
    return run(program, machine, *arrays)


@pytest.mark.parametrize("machine", ["avx2", "baseline"])
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_older_processors_are_as_accurate(machine: str, dtype: DType) -> None:
    names = EXACT if machine == "baseline" and dtype is float64 else CASES
    for name in names:
        reference, single, double, allowed = CASES[name]
        x = samples(dtype, *(single if dtype is float32 else double), count=1000)
        x = x[:: 10 if name in SLOW else 1]
        x = x[: len(x) // 4 * 4]
        arrays = [np.roll(x, 1234 * k) for k in range(SCALAR_FNS[name].arity)]
        with np.errstate(all="ignore"):
            wide = np.float64 if dtype is float32 else np.longdouble
            exact = reference(*(a.astype(wide) for a in arrays))
        error = ulps(called(name, dtype, target(machine), 4, *arrays), exact)
        slack = 0.2 if dtype is float32 or WIDE else 1.2
        assert error.max() <= allowed + slack, (name, [a[error.argmax()] for a in arrays])


@pytest.mark.parametrize("name", CASES)
def test_neon_code_is_vectors_throughout(name: str) -> None:
    program = program_of(lambda *xs: apply(name, *xs), float32, SCALAR_FNS[name].arity, 64, 4)
    code = emit_assembly(text_of(program, target("neon")), target("neon"))
    assert ".4s" in code
    assert "fmla" in code or name == "hypot"  # which needs no more than its root
    calls = {line.split()[1] for line in code.splitlines() if line.split()[:1] == ["bl"]}
    # large angles alone: a function that asks the C library lane by lane
    assert calls <= {"k0_f", f"{name}f", f"mlc_{name}f_of_4"}


def test_tables_are_permutations_of_registers_where_there_are_any() -> None:
    table = [float(k * k - 3) for k in range(16)]
    for dtype in (float32, float64):
        entries = [const(v, dtype) for v in table]
        numbers = np.arange(160) * 7
        kind = np.int32 if dtype is float32 else np.int64
        x = numbers.astype(kind).view(dtype.numpy)
        want = np.array(table, dtype.numpy)[numbers % 16]
        for lanes in (0, 2, 4, 8, 10, 16, 20, 32):
            program = program_of(
                lambda v, e=tuple(entries): apply("lookup16", v, *e),  # type: ignore[misc]
                dtype, 1, 160, lanes,
            )  # fmt: skip
            for machine in ("host", "avx2", "baseline") if X86 else ("host",):
                np.testing.assert_array_equal(run(program, target(machine), x), want)
                if "avx512f" in target(machine).features and lanes:
                    assert "vperm" in emit_assembly(
                        text_of(program, target(machine)), host_target()
                    )
    computed = program_of(lambda v: apply("lookup16", *[v] * 17), float32, 1, 160, 16)
    with pytest.raises(CompileError, match="lookup16 takes its 16 entries as constants"):
        text_of(computed, host_target())


def test_powers_of_two_are_multiplied_by_in_one_instruction_where_there_is_one() -> None:
    for dtype in (float32, float64):
        form = format_of(const(0.0, dtype))
        rng = np.random.default_rng(3)
        y = rng.uniform(0.5, 2, 160).astype(dtype.numpy)
        n = rng.integers(-2 * form.bias, 2 * form.bias + 1, 160)
        n[:8] = [-2 * form.bias, -form.bias - form.mantissa, 0, 1, -1, form.bias, -form.bias, 3]
        y[8:12] = [0.0, -0.0, np.nan, np.inf]
        bits = (n + 2 * form.bias).astype(form.integer.numpy).view(dtype.numpy)
        with np.errstate(over="ignore"):
            want = np.ldexp(y, n.astype(np.int32))
        for lanes in (0, 4, 8, 20, 32):
            program = program_of(lambda *a: apply("scale", *a), dtype, 3, 160, lanes)
            for machine in ("host", "avx2", "baseline") if X86 else ("host",):
                arrays = (n.astype(dtype.numpy), bits, y)
                np.testing.assert_array_equal(run(program, target(machine), *arrays), want)
                code = emit_assembly(text_of(program, target(machine)), target(machine))
                has = "avx512f" in target(machine).features and lanes > 0
                assert ("vscalef" in code) == has


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_large_powers_of_numbers_near_one(dtype: DType) -> None:
    """Where most bits of the logarithm count."""
    rng = np.random.default_rng(2)
    x = np.exp(rng.uniform(-0.4, 0.4, 16000)).astype(dtype.numpy)
    wide = np.float64 if dtype is float32 else np.longdouble
    most = 127 if dtype is float32 else 1022
    y = (rng.uniform(-most, most, x.size) / np.log2(x.astype(wide))).astype(dtype.numpy)
    exact = np.power(x.astype(wide), y.astype(wide))
    slack = 0.0 if dtype is float32 or WIDE else 1.0
    assert ulps(called("pow", dtype, host_target(), 16, x, y), exact).max() <= 4 + slack


@pytest.mark.parametrize("name", ["log", "log2", "log10", "log1p", "cbrt", "pow", "arctanh"])
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_a_rare_lane_among_ordinary_ones(name: str, dtype: DType) -> None:
    """A vector takes the longer way for one lane alone; the others keep their bits."""
    special = specials(dtype)
    usual = np.linspace(0.3, 0.9, 16 * len(special)).astype(dtype.numpy)
    x = usual.copy()
    places = np.arange(len(special)) * 16 + np.arange(len(special)) % 16
    x[places] = special
    others = [np.full_like(x, 1.5)] * (SCALAR_FNS[name].arity - 1)
    got = called(name, dtype, host_target(), 16, x, *others)
    plain = called(name, dtype, host_target(), 16, usual, *others)
    alone = called(name, dtype, host_target(), 0, x, *others)
    np.testing.assert_array_equal(np.delete(got, places), np.delete(plain, places))
    np.testing.assert_array_equal(got, alone)
    with np.errstate(all="ignore"):
        want = SCALAR_FNS[name].numpy(x, *others)
    np.testing.assert_allclose(got, want, rtol=8 * float(np.finfo(dtype.numpy).eps))


@pytest.mark.parametrize("function", [np.log, np.tanh, np.cbrt])
def test_the_same_bits_wherever_an_element_lies(function: Any) -> None:
    x = np.random.default_rng(5).uniform(0.1, 3, 700)
    compiled = mlc.jit(lambda a: function(a) + a**1.7)
    whole = np.asarray(compiled(x))
    for part in (slice(0, 7), slice(1, 700), slice(3, 68), slice(None, None, -1), slice(1, 99, 3)):
        np.testing.assert_array_equal(compiled(x[part]), whole[part])


# Where a function is hard: around its zeros, poles, and the ends of its range.
HARD = {
    "log": 1.0, "log2": 1.0, "log10": 1.0, "arccosh": 1.0, "arcsin": 1.0, "arccos": 1.0,
    "tan": 1.5707963267948966, "cos": 1.5707963267948966, "sin": 3.141592653589793,
    "arctanh": 0.999, "exp": 709.0, "exp2": 1023.0, "sinh": 709.0, "cosh": 709.0, "erfc": 26.0,
    "erf": 1.0, "tanh": 0.55, "expm1": 0.35,
}  # fmt: skip
DOMAIN = {
    "log": (0, np.inf), "log2": (0, np.inf), "log10": (0, np.inf), "log1p": (-1, np.inf),
    "pow": (0, np.inf), "arccosh": (1, np.inf), "arctanh": (-1, 1), "arcsin": (-1, 1),
    "arccos": (-1, 1), "exp": (-1e9, 1e9), "exp2": (-1e9, 1e9), "expm1": (-1e9, 1e9),
    "sinh": (-1e4, 1e4), "cosh": (-1e4, 1e4), "erf": (-60, 60), "erfc": (-60, 60),
}  # fmt: skip
BY_MPMATH = {
    "exp2": "2**x", "log2": "log(x, 2)", "log10": "log10(x)", "arcsin": "asin(x)",
    "arccos": "acos(x)", "arctan": "atan(x)", "arcsinh": "asinh(x)", "arccosh": "acosh(x)",
    "arctanh": "atanh(x)", "arctan2": "atan2(x, y)", "hypot": "hypot(x, y)", "pow": "x**y",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered in conversion")
@pytest.mark.skipif(not WIDE, reason="needs a long double of 64 bits")
@pytest.mark.parametrize("name", CASES)
def test_against_exact_values(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    context = mpmath.mp.clone()
    context.prec = 120
    rng = np.random.default_rng(11)
    raw = rng.integers(0, 2**64, 400, dtype=np.uint64).view(np.float64)
    low, high = CASES[name][2]
    even = rng.uniform(low, high, 200)
    hard = HARD.get(name, 1.0) * (1 + rng.standard_normal(200) * 2.0 ** -rng.uniform(3, 52, 200))
    x = np.concatenate([raw[np.isfinite(raw)], even, hard, hard * 2.0**-30])
    least, most = DOMAIN.get(name, (-np.inf, np.inf))
    x = x[(least < x) & (x < most)]
    arrays = [x[: len(x) // 16 * 16]]
    if name == "pow":  # some results are beyond the range
        most = 750 / np.maximum(abs(np.log(arrays[0])), 1e-300)
        arrays.append(rng.uniform(-most, most))
    elif SCALAR_FNS[name].arity == 2:
        arrays.append(np.roll(arrays[0], 99))
    code = compile(BY_MPMATH.get(name, f"{name}(x)"), name, "eval")
    known = {key: getattr(context, key) for key in dir(context) if not key.startswith("_")}

    def exact(*values: np.float64) -> np.longdouble:
        numbers = dict(zip("xy", (context.mpf(float(v)) for v in values)))
        if name == "cbrt" and numbers["x"] < 0:
            return -exact(*(-v for v in values))
        return np.longdouble(context.nstr(eval(code, {**known, **numbers}), 25))

    want = np.array([exact(*values) for values in zip(*arrays)])
    got = called(name, float64, host_target(), 16, *arrays)
    error = ulps(got, want)
    worst = int(np.argmax(error))
    assert error[worst] <= CASES[name][3], (error[worst], [a[worst] for a in arrays])
