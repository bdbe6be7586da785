"""Products of float32 with 10 of its 23 bits, where that is asked for, and of bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing.cuda import assert_compiles

Array = np.ndarray[Any, Any]
FORMS: list[tuple[Callable[[Array, Array], Array], tuple[int, int], tuple[int, int]]] = [
    (lambda a, b: a @ b, (20, 40), (40, 24)),
    (lambda a, b: np.maximum(a.T @ b.T + 1, 0), (37, 20), (24, 37)),
]


def rounded(x: Array) -> Array:
    """``x`` as tensor cores see it."""
    bits = (x.view(np.uint32) + 0x1000) & ~np.uint32(0x1FFF)
    return bits.view(np.float32).astype(np.float64)


@pytest.mark.parametrize(("form", "left", "right"), FORMS)
def test_tf32_where_it_is_asked_for(form, left, right) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(left, np.float32), rng.standard_normal(right, np.float32)
    fast = mlc.jit(form, target="cuda-emulated", precision="tf32")
    module = fast.lower(a, b).compiled.device_module
    assert "mma_16x16x8_tf32" in module.source
    assert_compiles(module)
    got = fast(a, b)
    np.testing.assert_allclose(got, form(rounded(a), rounded(b)), rtol=1e-5, atol=1e-5)
    assert abs(got - form(a, b)).max() > 1e-4
    assert "mma" not in str(mlc.jit(form, target="cuda-emulated").lower(a, b).cuda)


@pytest.mark.parametrize(("form", "left", "right"), FORMS)
def test_bytes(form, left, right) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in (left, right))

    def product(a: Array, b: Array) -> Array:
        return form(a.astype(np.int32), b.astype(np.int32))

    made = mlc.jit(product, target="cuda-emulated")
    module = made.lower(a, b).compiled.device_module
    assert "mma_16x16x32_int8" in module.source
    assert_compiles(module)
    np.testing.assert_array_equal(made(a, b), product(a, b))


def test_a_matrix_with_itself() -> None:
    x = np.random.default_rng(0).standard_normal((20, 40)).astype(np.float16)
    gram = mlc.jit(lambda x: x @ x.T, target="cuda-emulated")
    assert "mma_16x16x16_float16" in str(gram.lower(x).cuda)
    wanted = x.astype(np.float64) @ x.T.astype(np.float64)
    np.testing.assert_allclose(gram(x).astype(np.float64), wanted, rtol=1e-3, atol=1e-2)


def test_what_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError, match="precision is None or one of 'tf32', got 'half'"):
        mlc.jit(np.matmul, target="cuda", precision="half")
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.build([], precision="tf32")
    assert caught.value.message == (
        "precision='tf32' is for tensor cores, and target 'cpu' has none; leave it out, or use "
        "target='cuda' or 'cuda-emulated'"
    )


def test_precision_travels() -> None:

    made = mlc.jit(np.negative, target="cuda", precision="tf32")
    assert made._target == "cuda" and made._target.precision == "tf32"
    assert pickle.loads(pickle.dumps(made._target)).precision == "tf32"
