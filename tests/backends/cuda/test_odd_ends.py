"""Programs whose last block of threads has more of them than there is work."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.schedules.defaults.gpu import default_gpu_schedule
from mlc.schedules.schedule import Schedule

from .conftest import needs_compiler

pytestmark = needs_compiler


@T.program
def halvings(A: T.Buffer((45,), "int64"), B: T.Buffer((45,), "int64")):
    for i in T.serial(45):
        left = T.alloc((), "int64", scope="register")
        left[()] = A[i]
        B[i] = T.int64(0)
        with T.while_((left[()] > 1) & (A[i] > 0)):
            left[()] = left[()] // 2
            B[i] = B[i] + 1


@pytest.mark.parametrize("target", ["cpu", "interpret", "cuda-emulated"])
@pytest.mark.parametrize("bind", [False, True])
def test_loops_that_data_end_are_left_out_beyond_the_last_point(target: str, bind: bool) -> None:
    s = Schedule(halvings)
    outer, inner = s.split(s.loop("i"), [None, 32])
    if bind and target == "cuda-emulated":
        s.bind(outer, "blockIdx.x")
        s.bind(inner, "threadIdx.x")
    x = np.arange(45, dtype=np.int64) ** 3
    counted = np.full(45, -1, np.int64)
    mlc.build(s.program, target=target)(x, counted)
    assert (counted == [max(int(n).bit_length() - 1, 0) for n in x]).all()


def test_divisors_of_an_odd_number_of_elements() -> None:
    x = np.arange(1, 121).reshape(10, 12)
    got = mlc.jit(lambda x: (np.gcd(x, 12), np.lcm(x, 9)), target="cuda-emulated")(x)
    assert (got[0] == np.gcd(x, 12)).all()
    assert (got[1] == np.lcm(x, 9)).all()


def test_elements_that_are_not_walked_in_order() -> None:
    x = np.random.default_rng(0).standard_normal(1000, np.float32)

    def counts(x):
        return np.histogram(x, bins=10, range=(-3, 3))

    for got, wanted in zip(mlc.jit(counts, target="cuda-emulated")(x), counts(x), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(("rows", "tag"), [(1 << 22, "blockIdx.y"), (1 << 24, "blockIdx.x")])
def test_products_of_more_tiles_than_a_grid_has_lines(rows: int, tag: str) -> None:
    a = te.placeholder((rows, 64), "float16", "a")
    b = te.placeholder((64, 128), "float16", "b")
    k = te.reduce_axis(64, "k")
    product = te.compute(
        (rows, 128),
        lambda i, j: te.sum(te.cast(a[i, k], "float32") * te.cast(b[k, j], "float32"), axis=k),
        name="ab",
    )
    positive = te.compute((rows, 128), lambda i, j: te.max(product[i, j], 0), name="positive")
    s = default_gpu_schedule(te.create_program([a, b, positive], "layer"))
    text = s.program.script()
    assert "mma_16x16x16_float16" in text
    assert f'T.thread_binding({rows // 128}, "{tag}")' in text
