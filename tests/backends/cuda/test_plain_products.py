"""Products that no tensor core does: tiles of 8 x 8 in the registers of a thread, and copies of the
next ones to shared memory that go on meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.compile_device import program_device_module
from mlc.ir.program import Program
from mlc.runtime.cuda.nvrtc import nvrtc_version
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.testing.cuda import assert_compiles


def product(m: int, n: int, k: int, dtype: str, turned: bool) -> Program:
    """``A @ B``, or ``A @ B.T``, for a card on which one tile is enough."""
    a = te.placeholder((m, k), dtype, "A")
    b = te.placeholder((n, k) if turned else (k, n), dtype, "B")
    r = te.reduce_axis(k, "r")

    def element(i: Any, j: Any) -> Any:
        return te.sum(a[i, r] * (b[j, r] if turned else b[r, j]), axis=r)

    y = te.compute((m, n), element, name="Y")
    made = te.create_program([a, b, y], "product")
    return default_gpu_schedule(made, GpuMachine(processors=1)).program


@pytest.mark.parametrize(
    ("m", "n", "k", "dtype", "turned", "order"),
    [
        (128, 128, 80, "float32", False, "forward"),
        (128, 256, 64, "float32", True, "reverse"),
        (100, 130, 70, "float32", False, "random"),
        (36, 72, 88, "float32", False, "reverse"),
        (16, 16, 64, "float32", False, "random"),
        (64, 64, 64, "float64", True, "random"),
    ],
)
def test_values(m: int, n: int, k: int, dtype: str, turned: bool, order: str) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(-8, 8, (m, k)).astype(dtype)
    b = rng.integers(-8, 8, (n, k) if turned else (k, n)).astype(dtype)
    got = np.zeros((m, n), dtype)
    with mlc.config.override(emulated_order=order):
        mlc.build(product(m, n, k, dtype, turned), target="cuda-emulated")(a, b, got)
    np.testing.assert_array_equal(got, a @ (b.T if turned else b))


def test_cards_take_it() -> None:
    try:
        nvrtc_version()
    except mlc.UnsupportedError as problem:
        pytest.skip(str(problem))
    assert_compiles(program_device_module(product(256, 256, 512, "float32", False)))


def test_its_text() -> None:
    text = program_device_module(product(256, 256, 512, "float32", False)).source
    assert "mlc_cp_async_4(&A_reindex[" in text and "mlc_cp_async_16(&B_reindex[" in text
    loop = text[text.index("for (int ax2_0 = 0; ax2_0 < 32;") :]
    assert loop.count("mlc_barrier();") == 1 and "mlc_cp_async_wait<1>();" in loop
    assert "#pragma unroll 4\n    for (int ax2_1 = 0; ax2_1 < 16;" in loop
    # Threads side by side read pieces of 16 bytes side by side: no two of eight lie in one bank.
    assert "+ ax1_2 / 4 * 64 + tx * 4 + ax1_2 % 4]" in loop


def test_rows_that_tiles_do_not_divide_are_fetched_by_vectors_ahead() -> None:
    text = program_device_module(product(36, 72, 88, "float32", False)).source
    assert "mlc_cp_async_4_zero(&A" in text and "mlc_cp_async_16_zero(&B" in text
    loop = text[text.index("for (int ax2_0 = 0;") :]
    assert loop.count("mlc_barrier();") == 1 and "tx * 4 < 72 ? 16 : 0);" in loop
    assert "*reinterpret_cast<float4 *>(&Y[" in loop and "} else {" not in loop


def test_tiles_of_one_element_for_a_thread_come_by_themselves_too() -> None:
    text = program_device_module(product(16, 16, 64, "float32", False)).source
    assert text.count("mlc_cp_async_4(&A") == text.count("mlc_cp_async_4(&B") == 3
    assert text.count("mlc_cp_async_commit();") == 3 and "mlc_cp_async_wait<1>();" in text


def test_nobody_waits_for_copies_that_threads_make_themselves() -> None:
    text = program_device_module(product(16, 16, 64, "int16", False)).source
    assert "mlc_cp_async" not in text[text.index("__global__") :]
    loop = text[text.index("for (int ax2_0 = 0; ax2_0 < 4;") :]
    assert loop.count("mlc_barrier();") == 1 and "% 3 * 256" in loop
