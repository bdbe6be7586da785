"""Threads take several elements at once where those lie side by side, and the rest one by one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.testing.cuda import counting

FEW = GpuMachine(processors=1)
Array = np.ndarray[Any, Any]


def array(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(dtype)


def source_of(function: Any, *arrays: Array) -> str:
    """The source, after the function has computed what NumPy does."""
    compiled = mlc.jit(function, target="cuda-emulated")
    wanted = function(*arrays)
    made = compiled(*arrays)
    assert made.dtype == wanted.dtype
    np.testing.assert_allclose(made, wanted, rtol=1e-3 if wanted.dtype == "float16" else 1e-6)
    return str(compiled.lower(*arrays).cuda)


@pytest.mark.parametrize("shape", [(1025,), (3, 11, 31), (1026,)])
@pytest.mark.parametrize(
    ("dtype", "vector"),
    [("float32", "float4"), ("float16", "uint2"), ("int8", "unsigned"), ("float64", "double2")],
)
def test_arrays_of_any_length(shape: tuple[int, ...], dtype: str, vector: str) -> None:
    x, y = array(shape, dtype), array(shape, dtype, 1)
    source = source_of(lambda x, y: x * 2 + y, x, y)
    assert f"reinterpret_cast<const {vector} *>(&x[" in source
    assert ("} else {" in source) == bool(x.size % 4 and (dtype != "float64" or x.size % 2))


def test_what_is_not_walked_in_order_is_taken_one_by_one() -> None:
    x, row = array((33, 31), "float32"), array((31,), "float32", 1)
    assert "float4" not in source_of(lambda x, row: x + row, x, row)
    assert "float4" not in source_of(lambda x: x[:, 1:] * 2, x)
    assert "float4" not in source_of(lambda x: x[::-1] * 2, x)


@pytest.mark.parametrize(
    ("length", "dtype", "vector"),
    [(132, "float32", "float4"), (132, "float16", "uint2"), (1000, "float32", "float4"),
     (1000, "float16", "uint4"),  # eight where four warps have a part each
     (1002, "float32", "float2"), (1002, "float16", "unsigned"), (1001, "float16", "")],
)  # fmt: skip
def test_rows_are_folded_by_vectors(length: int, dtype: str, vector: str) -> None:
    def softmax(x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    source = source_of(softmax, array((5, length), dtype))
    reads = set(re.findall(r"\*reinterpret_cast<const (\w+) \*>\(&x\[", source))
    assert reads == ({vector} if vector else set())


@pytest.mark.parametrize(
    ("columns", "dtype", "vector"),
    [(68, "float16", "uint2"), (70, "float16", "unsigned"), (70, "float32", "float2"),
     (70, "int8", ""), (71, "float16", "")],
)  # fmt: skip
def test_rows_that_are_walked_beside_others(columns: int, dtype: str, vector: str) -> None:
    x, row = array((9, columns), dtype), array((columns,), dtype, 1)
    source = source_of(lambda x, row: x + row, x, row)
    reads = set(re.findall(r"\*reinterpret_cast<const (\w+) \*>\(&x\[", source))
    assert reads == ({vector} if vector else set())


def test_the_widest_access_of_long_arrays_leaves_a_rest() -> None:
    count = (1 << 15) + 4  # a multiple of four, and not of the eight that an access holds
    x = te.placeholder((count,), "float16", "x")
    y = te.compute((count,), lambda i: x[i] + x[i], name="y")
    program = default_gpu_schedule(te.create_program([x, y], "twice"), FEW).program
    run = mlc.build(program, target="cuda-emulated")
    a, b = array((count,), "float16"), np.zeros(count, np.float16)
    run(a, b)
    assert (b == a + a).all()
    source = str(run.lower().cuda)
    assert "const uint4 x_8" in source and "} else {" in source


def test_what_a_row_has_once_is_in_registers() -> None:
    def norm(x: Array) -> Array:
        mean = x.mean(axis=1, keepdims=True)
        return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + 1)

    source = source_of(norm, array((3, 512), "float32"))
    assert source.count("mlc_barrier();") <= 3 and "  float divide = " in source


def transposed(shape: tuple[int, int], dtype: str) -> Any:
    x = te.placeholder(shape, dtype, "x")
    return te.create_program([x, te.compute(shape[::-1], lambda i, j: x[j, i], name="y")], "turn")


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((128, 64), "float16"), ((130, 70), "float16"), ((256, 128), "int8"), ((132, 140), "int8"),
     ((96, 70), "float32"), ((64, 64), "float64")],
)  # fmt: skip
def test_transposes_move_words_without_conflicts(shape: tuple[int, int], dtype: str) -> None:
    program = default_gpu_schedule(transposed(shape, dtype), FEW).program
    run = mlc.build(program, target="cuda-emulated")
    x, y = array(shape, dtype), np.zeros(shape[::-1], dtype)
    with counting() as counted:
        run(x, y)
    assert (y == x.T).all()
    assert counted.accesses and all(a.conflicts == 0 for a in counted.accesses), str(counted)
    source = str(run.lower().cuda)
    assert ("reinterpret_cast<const unsigned *>(&x[" in source) == (np.dtype(dtype).itemsize < 4)
