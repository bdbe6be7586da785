"""Elements of 8 and 16 bits that are read and written some at once."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc import script as T


@pytest.mark.parametrize(
    ("dtype", "lanes", "word"),
    [("int16", 2, "unsigned"), ("bfloat16", 4, "uint2"), ("float16", 8, "uint4")],
)
def test_copies(dtype: str, lanes: int, word: str) -> None:
    @T.program
    def copy(A: T.Buffer((64,), dtype), B: T.Buffer((64,), dtype)):
        for i in T.thread_binding(64 // lanes, "threadIdx.x"):
            for lane in T.vectorized(lanes):
                with T.block("B"):
                    vi = T.axis.spatial(64, i * lanes + lane)
                    B[vi] = A[vi]

    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    a = np.frombuffer(np.random.default_rng(0).bytes(128), kind)  # with NaN of all kinds
    b = np.zeros(64, kind)
    kernel = mlc.build(copy, target="cuda-emulated")
    assert f"*reinterpret_cast<{word} *>(&B[" in str(kernel.lower().cuda)
    kernel(a, b)
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_computed_values(dtype: Any) -> None:
    name = np.dtype(dtype).name
    rounded = getattr(T, name)

    @T.program
    def scaled(A: T.Buffer((64,), name), S: T.Buffer((64,)), B: T.Buffer((64,), name)):
        for i in T.thread_binding(16, "threadIdx.x"):
            for lane in T.vectorized(4):
                with T.block("B"):
                    vi = T.axis.spatial(64, i * 4 + lane)
                    B[vi] = rounded(T.float32(A[vi]) * S[vi])

    rng = np.random.default_rng(1)
    a, s = rng.standard_normal(64).astype(dtype), rng.standard_normal(64).astype(np.float32)
    b = np.zeros(64, dtype)
    kernel = mlc.build(scaled, target="cuda-emulated")
    source = str(kernel.lower().cuda)
    assert "const uint2 A_4" in source and "const float4 S_4" in source
    kernel(a, s, b)
    np.testing.assert_array_equal(b, (a.astype(np.float32) * s).astype(dtype))


def test_a_single_element_keeps_its_bits() -> None:
    @T.program
    def copy(A: T.Buffer((8,), "float16"), B: T.Buffer((8,), "float16")):
        for i in T.thread_binding(8, "threadIdx.x"):
            with T.block("B"):
                vi = T.axis.spatial(8, i)
                B[vi] = A[vi]

    a = np.array([0x7D01, 0xFE02, 0x7C01, 1, 2, 3, 4, 0x8000], np.uint16).view(np.float16)
    b = np.zeros(8, np.float16)
    kernel = mlc.build(copy, target="cuda-emulated")
    assert "B[i] = A[i];" in str(kernel.lower().cuda)
    kernel(a, b)
    assert a.tobytes() == b.tobytes()
