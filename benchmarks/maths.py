"""``python -m benchmarks.maths [names...]``: how exact and how fast the vector mathematics is.

Each expansion is compiled alone, as a loop over arrays that fit the second-level cache. `ulp` is
the largest error found, over numbers of every exponent and over those that occur most;
`instructions` counts the nodes of the expression but constants and reinterpretations of bits.
"""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mlc.backends.llvm.module import BufferRef, KernelCall, module_text
from mlc.backends.llvm.target import host_target
from mlc.dtypes import DType, float32, float64
from mlc.ir.expr import Apply, Cast, Select, Var, apply
from mlc.ir.program import Buffer, For, LoopKind, Program, Store, seq
from mlc.ir.rewrite import postorder
from mlc.ir.scalar import SCALAR_FNS
from mlc.lower.expand_math import expand_math
from mlc.lower.maths import EXPANSIONS, load
from mlc.runtime.image import compile_image, load_image
from mlc.runtime.symbols import resolver

Array = np.ndarray[Any, Any]
SIZE, UNROLL, ROUNDS = 16384, 2, 200
SPANS = {"arcsin": (-1.0, 1.0), "arccos": (-1.0, 1.0), "arctanh": (-1.0, 1.0)}
POSITIVE = ("log", "log2", "log10", "log1p", "pow", "arccosh")


def compiled(name: str, dtype: DType) -> Callable[..., Array]:
    """``f(*arrays)`` for arrays of SIZE elements; the result is overwritten by the next call."""
    target = host_target()
    arity = SCALAR_FNS[name].arity
    buffers = [Buffer(f"b{i}", (SIZE,), dtype) for i in range(arity + 1)]
    width = target.vector_bits // dtype.bits
    step = Var("step")
    loops = []
    for part in range(UNROLL):
        lane = Var("lane")
        index = step * (width * UNROLL) + lane + part * width
        value = expand_math(apply(name, *(buffer[index] for buffer in buffers[:-1])))
        loops.append(For(lane, width, Store(buffers[-1], (index,), value), LoopKind.VECTORIZED))
    body = For(step, SIZE // (width * UNROLL), seq(*loops))
    refs = tuple(BufferRef("param", i) for i in range(arity + 1))
    text = module_text([Program(name, tuple(buffers), body)], [KernelCall(0, refs)], target).text
    image = load_image(compile_image(text, target), resolver({}))
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
    main = kind(image.address("mlc_main"))
    result = np.empty(SIZE, dtype.numpy)
    pointers = (ctypes.c_void_p * (arity + 1))()

    def call(*arrays: Array, keep: Any = image) -> Array:
        pointers[:] = [array.ctypes.data for array in (*arrays, result)]
        main(ctypes.addressof(pointers), None)
        return result

    return call


def instructions(name: str, dtype: DType) -> int:
    """How many operations the expansion has."""
    tree = expand_math(apply(name, *(Var("x", dtype) for _ in range(SCALAR_FNS[name].arity))))
    return sum(
        isinstance(node, (Select, Cast)) or (isinstance(node, Apply) and node.fn != "bitcast")
        for node in postorder(tree)
    )


def reference(name: str, dtype: DType, arrays: list[Array]) -> Array:
    """The exact values, in a wider type than ``dtype``."""
    wide = [a.astype(np.float64 if dtype is float32 else np.longdouble) for a in arrays]
    with np.errstate(all="ignore"):
        if name not in ("erf", "erfc"):
            return np.asarray(SCALAR_FNS[name].numpy(*wide))
        if dtype is float32:
            return np.array([getattr(math, name)(v) for v in wide[0]])
    import mpmath

    # Beyond 40 nothing changes any more, and mpmath cannot take very large arguments.
    near = np.clip(wide[0], -40, 40).astype(np.float64)
    with mpmath.workprec(80):
        exact = [mpmath.nstr(getattr(mpmath, name)(mpmath.mpf(float(v))), 24) for v in near]
    return np.array([np.longdouble(text) for text in exact])


def worst(name: str, dtype: DType, call: Callable[..., Array]) -> float:
    """The largest error in units in the last place."""
    rng = np.random.default_rng(3)
    info = np.finfo(dtype.numpy)
    slow = name in ("erf", "erfc") and dtype is float64
    low, high = SPANS.get(name, (0.0 if name in POSITIVE else -6.0, 6.0))
    largest = 0.0
    for round_ in range(2 if slow else 40):
        arrays = []
        for _ in range(SCALAR_FNS[name].arity):
            raw = rng.integers(0, 2**dtype.bits, SIZE, dtype=np.uint64)
            every = raw.astype(f"uint{dtype.bits}").view(dtype.numpy)
            even = (rng.uniform(low, high, SIZE) * (16.0 if round_ % 3 == 2 else 1.0)).astype(
                dtype.numpy
            )
            arrays.append(np.where(np.isfinite(every) & (round_ % 2 == 0), every, even))
        exact = reference(name, dtype, arrays)
        got = call(*arrays)
        with np.errstate(all="ignore"):
            rounded = exact.astype(dtype.numpy)
            unit = np.spacing(np.clip(np.abs(rounded), info.tiny, info.max))
            error = np.abs(got.astype(exact.dtype) - exact) / unit
        edge = np.abs(exact) > float(info.max) * 0.999
        assert (edge | (np.isfinite(got) == np.isfinite(rounded))).all(), f"{name} {dtype}"
        usual = np.isfinite(error) & np.isfinite(got)
        largest = max(largest, float(error[usual].max()))
    return largest


def rate(call: Callable[[], Any]) -> float:
    """Gelem/s, best of many."""
    best = math.inf
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return SIZE / best / 1e9


def main() -> None:
    """A table of all expansions, or of those named."""
    print(f"{'function':<20}{'instructions':>13}{'ulp':>8}{'Gelem/s':>9}{'numpy':>8}")
    load()
    for name, dtype in sorted(EXPANSIONS, key=lambda key: (key[0], key[1].bits)):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        call = compiled(name, dtype)
        rng = np.random.default_rng(0)
        low, high = SPANS.get(name, (1.0 if name in POSITIVE else -5.0, 5.0))
        arity = SCALAR_FNS[name].arity
        x = [rng.uniform(low, high, SIZE).astype(dtype.numpy) for _ in range(arity)]
        ours = rate(lambda: call(*x))
        theirs = (
            "" if name in ("erf", "erfc") else f"{rate(lambda: SCALAR_FNS[name].numpy(*x)):.2f}"
        )
        print(
            f"{name + ' ' + dtype.name:<20}{instructions(name, dtype):>13}"
            f"{worst(name, dtype, call):>8.2f}{ours:>9.2f}{theirs:>8}",
            flush=True,
        )


if __name__ == "__main__":
    main()
