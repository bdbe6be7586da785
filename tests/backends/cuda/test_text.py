"""What kernels look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import mlc
from mlc.ir.program import Program

from .conftest import needs_compiler
from .programs import tiled_matmul, vector_add, window_sum


def test_texts(golden: Callable[[str, str], None]) -> None:
    programs: tuple[Program, ...] = (vector_add, window_sum, tiled_matmul)
    for program in programs:
        golden(f"cuda_{program.name}", mlc.build(program, target="cuda-emulated").lower().cuda)


def test_any_target_shows_the_kernels() -> None:
    shown = mlc.build(vector_add).lower().cuda
    assert shown == mlc.build(vector_add, target="cuda-emulated").lower().cuda
    lowered = mlc.build(vector_add, target="cuda").lower()
    assert lowered.cuda == shown
    assert repr(lowered).endswith("lowered; print .graph .program .schedule .numpy .cuda")


@needs_compiler
def test_arrays_may_be_called_like_functions_and_types() -> None:
    def f(expf: Any, float4: Any, fmod: Any, int64_t: Any, mlc_min: Any) -> Any:
        exp2 = np.exp2(expf) + np.expm1(float4)
        tanh = np.fmod(fmod, 3.0) + np.tanh(fmod)
        return exp2, tanh, np.minimum(int64_t, mlc_min) // 2

    narrow, wide = np.ones((4, 8), np.float32), np.full(5, 7.0)
    numbers = np.arange(6)
    given = narrow, narrow, wide, numbers, numbers[::-1]
    for got, want in zip(mlc.jit(f, target="cuda-emulated")(*given), f(*given), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_explanations_say_that_they_are_of_a_processor() -> None:
    def doubled(x: Any) -> Any:
        return x * 2

    lowered = mlc.jit(doubled, target="cuda").lower(np.ones(8))
    said = str(lowered.explain()).partition(":")[0]
    assert said.endswith("doubled (kernels of a card, as one thread of a processor would run them)")


def test_arrays_of_a_thread_lie_where_vectors_can_be_read() -> None:
    order = mlc.jit(lambda x: np.sort(x, kind="stable"), target="cuda")
    for count, step in ((3, 4), (7, 8), (13, 16)):
        source = str(order.lower(np.zeros((5000, count), np.float16)).cuda)
        assert f"alignas({step}) uint16_t keys[{count}];" in source


def test_what_lanes_have_in_common_is_said_once() -> None:
    def counted(x: Any) -> Any:
        return np.histogram(x, bins=64, range=(-3, 3))[0]

    compiled = mlc.jit(counted, target="cuda")
    vectors = str(compiled.lower(np.zeros(4096, np.float32)).cuda)
    alone = str(compiled.lower(np.zeros(8192, np.float32)[::2]).cuda)
    for source, lanes in ((vectors, 4), (alone, 1)):
        (kernel,) = (part for part in source.split("// ") if part.startswith("bins"))
        assert kernel.count("mlc_to_int64(") == lanes and kernel.count("mlc_sub(") == lanes
        assert kernel.count("mlc_product(0.0") == 1
