"""The vector mathematics as machine code, where multiply-adds really are fused."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mlc.backends.llvm.module import BufferRef, KernelCall, module_text
from mlc.backends.llvm.target import host_target
from mlc.dtypes import DType, float32, float64
from mlc.ir.expr import Var, apply
from mlc.ir.program import Buffer, For, LoopKind, Program, Store
from mlc.ir.scalar import SCALAR_FNS
from mlc.lower.expand_math import expand_math_program
from mlc.runtime.image import compile_image, load_image
from mlc.runtime.symbols import resolver
from tests.lower.test_maths import CASES, SLOW, WIDE, Array, samples, specials, ulps

WIDTH = 16


def run(program: Program, *arrays: Array) -> None:
    """Expand, compile and call ``program`` on ``arrays`` in place."""
    refs = tuple(BufferRef("param", i) for i in range(len(arrays)))
    flat = expand_math_program(program)
    text = module_text([flat], [KernelCall(0, refs)], host_target()).text
    image = load_image(compile_image(text, host_target()), resolver({}))
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    assert kind(image.address("mlc_main"))(ctypes.addressof(pointers), None) == 0


def compiled(name: str, dtype: DType, *arrays: Array, product: bool = False) -> Array:
    """``name`` of ``arrays``, whose length is a multiple of the width, in vectors.

    With ``product`` each argument is the product of all arrays.
    """
    size = len(arrays[0])
    buffers = [Buffer(f"b{i}", (size,), dtype) for i in range(len(arrays) + 1)]
    step, lane = Var("step"), Var("lane")
    index = step * WIDTH + lane
    values = [buffer[index] for buffer in buffers[:-1]]
    if product:
        values = [values[0] * values[1]] * SCALAR_FNS[name].arity
    value = apply(name, *values)
    body = For(lane, WIDTH, Store(buffers[-1], (index,), value), LoopKind.VECTORIZED)
    result = np.empty(size, dtype.numpy)
    run(Program(name, tuple(buffers), For(step, size // WIDTH, body)), *arrays, result)
    return result


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_machine_code_is_as_accurate_and_treats_special_values_alike(
    name: str, dtype: DType
) -> None:
    reference, single, double, allowed = CASES[name]
    x = samples(dtype, *(single if dtype is float32 else double), count=8000)
    x = x[:: 25 if name in SLOW else 1]
    arity = SCALAR_FNS[name].arity
    grid = np.meshgrid(*[specials(dtype)] * arity)
    arrays = [np.concatenate([np.roll(x, 999 * k), g.ravel()]) for k, g in enumerate(grid)]
    padding = -len(arrays[0]) % WIDTH
    arrays = [np.concatenate([a, a[:padding]]) for a in arrays]
    wide = np.float64 if dtype is float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = reference(*(a.astype(wide) for a in arrays))
        rounded = exact.astype(dtype.numpy)
    got = compiled(name, dtype, *arrays)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    zero = (rounded == 0) & (got == 0)
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(rounded[zero]))
    error = ulps(got, exact)
    worst = int(np.argmax(error))
    slack = 0.0 if dtype is float32 or WIDE else 1.0
    assert error[worst] <= allowed + slack, (error[worst], [a[worst] for a in arrays], got[worst])


@pytest.mark.parametrize("name", CASES)
def test_a_product_as_argument_may_be_fused_into_an_expansion(name: str) -> None:
    # Code generators make one instruction of `a * b + c`: an expansion must not rely on its
    # argument being the rounded product wherever it stands.
    rng = np.random.default_rng(11)
    inside = name in ("arcsin", "arccos", "arctanh")
    arity = SCALAR_FNS[name].arity
    factors = [rng.uniform(0.3, 0.9, 512) if inside else rng.uniform(1.2, 3, 512) for _ in "ab"]
    want = CASES[name][0](*[(factors[0] * factors[1]).astype(np.longdouble)] * arity)
    got = compiled(name, float64, *factors, product=True)
    # Half a unit in the argument is this much in the result, at most, in these ranges.
    condition = 40 if name in ("tan", "sin", "cos", "pow") else 8
    assert ulps(got, want).max() <= CASES[name][3] + condition
