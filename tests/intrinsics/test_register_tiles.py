"""The micro-kernels are what they mean, for operands with any strides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import script as T
from mlc.intrinsics.register_tiles import fma_f32
from mlc.ir.expr import const
from mlc.ir.intrinsic import Intrinsic
from mlc.ir.program import Block, Buffer, Evaluate, Program, Region


def call_on(intrinsic: Intrinsic, strides: list[tuple[int, ...]]) -> Program:
    """A program that is one call; its params have these strides."""
    params = tuple(
        Buffer(b.name, b.shape, b.dtype, s)
        for b, s in zip(intrinsic.operands, strides, strict=True)
    )
    regions = tuple(Region(b, tuple(const(0) for _ in b.shape), b.shape) for b in params)
    call = Evaluate(intrinsic.name, regions)
    return Program("call", params, Block("call", (), call, reads=regions, writes=regions[2:]))


def array_with(shape: tuple[int, ...], strides: tuple[int, ...], seed: int) -> np.ndarray:
    size = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    flat = np.random.default_rng(seed).integers(-8, 8, size).astype("float32")
    return np.lib.stride_tricks.as_strided(flat, shape, [4 * s for s in strides])


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([(2, 4, 3, 4), (6, 16, 5, 8), (3, 32, 4, 16)]),
    st.booleans(),
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 3)), min_size=3, max_size=3
    ),
)
def test_equals_its_meaning(
    sizes: tuple[int, int, int, int], packed: bool, layouts: list[tuple[bool, int, int]]
) -> None:
    intrinsic = fma_f32(*sizes, packed=packed)
    strides = []
    for operand, (turned, gap, step) in zip(intrinsic.operands, layouts, strict=True):
        rows, columns = operand.shape
        if turned:
            strides.append((step, rows * step + gap))
        else:
            strides.append((columns * step + gap, step))
    program = call_on(intrinsic, strides)
    arrays = [
        array_with(b.shape, s, n)
        for n, (b, s) in enumerate(zip(program.params, strides, strict=True))
    ]
    a = arrays[0].T if packed else arrays[0]
    wanted = arrays[2] + a @ arrays[1]
    results = []
    for target in ("cpu", "interpret"):
        c = array_with(program.params[2].shape, strides[2], 2)
        mlc.build(program, target=target)(arrays[0], arrays[1], c)
        results.append(c)
        np.testing.assert_array_equal(c, wanted)


def test_it_is_vector_code() -> None:
    intrinsic = fma_f32(6, 16, 8, 8)
    built = mlc.build(call_on(intrinsic, [(8, 1), (16, 1), (16, 1)]))
    assert "call <8 x float> @llvm.fma.v8f32" in built.lower().llvm


def test_sizes_are_checked() -> None:
    with pytest.raises(mlc.ArgumentError, match="columns=12 is not a multiple of lanes=8"):
        fma_f32(6, 12, 8, 8)
    with pytest.raises(mlc.ArgumentError, match="depth of a register tile must be at least 2"):
        fma_f32(6, 16, 1, 8)


def test_a_product_through_packed_panels() -> None:
    """Split, cached in panels, tensorized: equal to NumPy, exactly on whole numbers."""

    @T.program
    def mm(A: T.Buffer((24, 32)), B: T.Buffer((32, 48)), C: T.Buffer((24, 48))):
        for i, j, k in T.grid(24, 48, 32):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    tile = fma_f32(6, 16, 16, 8)
    s = mlc.Schedule(mm)
    pairs = [s.split(v, [None, f]) for v, f in zip(s.loops("C"), (6, 16, 16), strict=True)]
    (i0, i1), (j0, j1), (k0, k1) = pairs
    s.reorder(i0, j0, k0, i1, j1, k1)
    outer = s.blockize(i1)
    for number in (0, 1):
        s.compute_at(s.cache_read(outer, number, "global.panel"), k0)
    s.decompose_reduction(outer, k0)
    s.tensorize(outer, tile.name)
    rng = np.random.default_rng(0)
    a = rng.integers(-9, 9, (24, 32)).astype("float32")
    b = rng.integers(-9, 9, (32, 48)).astype("float32")
    c = np.zeros((24, 48), "float32")
    built = mlc.build(s)
    built(a, b, c)
    np.testing.assert_array_equal(c, a @ b)
    assert f"call void @intrinsic_{tile.name}" in built.lower().llvm
