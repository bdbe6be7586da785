"""One set of kernels for many sizes: results are NumPy's, and nothing is compiled anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.config import config
from mlc.testing.cuda import assert_compiles

from .conftest import needs_compiler

pytestmark = needs_compiler
Array = np.ndarray[Any, Any]
SIZES = (100, 1030, 2)


def values(*shape: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def chain(x: Any, y: Any) -> Any:
    return np.exp(x) * 2 + y


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def dense(x: Any, w: Any, b: Any) -> Any:
    return np.maximum(x @ w + b, 0)


def normalised(x: Any) -> Any:
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1), x.argmax(axis=0), x.max()


CASES: dict[str, tuple[Callable[..., Any], Callable[[int], tuple[Array, ...]]]] = {
    "chain": (chain, lambda n: (values(n), values(n))),
    "softmax": (softmax, lambda n: (values(n, 65),)),
    "dense": (dense, lambda n: (values(n, 40), values(40, 30), values(30))),
    "dense float16": (
        dense,
        lambda n: (
            values(n, 64, dtype=np.float16),
            values(64, 128, dtype=np.float16),
            values(128, dtype=np.float16),
        ),
    ),
    "normalised": (normalised, lambda n: (values(n, 12),)),
    "transposed product": (lambda x, y: x.T @ y, lambda n: (values(n, 16), values(n, 20))),
    "neighbours": (lambda x: x[1:] - x[:-1], lambda n: (values(n),)),
    "backwards": (lambda x: x[::-1] * np.arange(len(x)), lambda n: (values(n),)),
    "padded": (lambda x: np.pad(x, ((1, 1), (0, 0))), lambda n: (values(n, 5),)),
    "beside other sizes": (
        lambda x, w: (x.sum() + w.sum(axis=0), x[0] * w),
        lambda n: (values(n), values(1024, 2)),
    ),
    "two products": (
        lambda x, w, v: np.tanh(x @ w) @ v,
        lambda n: (values(n, 32), values(32, 48), values(48, 10)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_kernels_for_many_sizes(name: str) -> None:
    function, arguments = CASES[name]
    first = next(iter(function.__code__.co_varnames))
    names = {first: {0: "n"}}
    if name in ("chain", "transposed product"):
        names["y"] = {0: "n"}
    run = mlc.jit(function, target="cuda-emulated", dynamic=names)
    for size in SIZES:
        given = arguments(size)
        got, wanted = run(*given), function(*given)
        pairs = zip(got, wanted, strict=True) if isinstance(wanted, tuple) else [(got, wanted)]
        for one, two in pairs:
            assert one.shape == two.shape and one.dtype == two.dtype
            rounded = 2e-2 if two.dtype == np.float16 else 2e-4
            np.testing.assert_allclose(one, two, rtol=rounded, atol=rounded)
    assert len(run.cache_info()) == 1, run.cache_info()
    module = run.lower(*arguments(100)).compiled.device_module
    assert all(np.prod(launch.grid) <= 512 for launch in module.launches)
    if name == "dense float16":
        assert "mma_16x16x16_float16" in module.source
        assert_compiles(module)


def test_products_for_hopper() -> None:
    """Boxes are of arrays whose shape is known: threads fetch the tiles here."""
    run = mlc.jit(np.matmul, target="cuda-emulated", dynamic={"x1": "n"})
    w = values(128, 128, dtype=np.float16)
    with config.override(cuda_architecture="sm_90a"):
        for size in (100, 129):
            x = values(size, 128, dtype=np.float16)
            np.testing.assert_allclose(run(x, w), x @ w, rtol=2e-2, atol=2e-2)
        module = run.lower(x, w).compiled.device_module
    assert len(run.cache_info()) == 1
    assert "wgmma_64x" in module.source and "load_box" not in module.source
    assert_compiles(module, ("sm_90a",))


def test_views_are_no_rows() -> None:
    run = mlc.jit(lambda x: x * 2, target="cuda-emulated", dynamic={"x": "n"})
    for size in (8, 20, 9):
        x = values(size, 4)
        np.testing.assert_array_equal(run(x), x * 2)
        np.testing.assert_array_equal(run(x[::2]), x[::2] * 2)
        np.testing.assert_array_equal(run(x[:, 1:]), x[:, 1:] * 2)
    assert sum("[n, 4]" in row.signature for row in run.cache_info()) == 1


def test_the_grid_and_the_workspace_are_those_of_the_size() -> None:
    def two(x: Any, w: Any) -> Any:
        return np.tanh(x @ w).sum(axis=1) @ x

    run = mlc.jit(two, target="cuda-emulated", dynamic={"x": "n"})
    found = []
    for size in (64, 1280):
        x, w = values(size, 16), values(16, 24)
        np.testing.assert_allclose(run(x, w), two(x, w), rtol=1e-3, atol=1e-3)
        module = run.lower(x, w).compiled.device_module
        found.append((max(max(launch.grid) for launch in module.launches), module.workspace_bytes))
    assert 8 * found[0][0] < found[1][0] < 2000
    assert 8 * found[0][1] < found[1][1] < 1 << 20
    assert len(run.cache_info()) == 1


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (lambda x: x @ x.T, lambda n: (values(n, 8),), "two axes"),
        (lambda x: np.sort(x, axis=0), lambda n: (values(n, 8),), "memory of its own"),
        (lambda x: x * 2, lambda n: (values(8, n).T,), "row after row"),
    ],
)
def test_what_gets_code_of_its_own_for_each_size(
    function: Any, arguments: Any, reason: str
) -> None:
    run = mlc.jit(function, target="cuda-emulated", dynamic={"x": {0: "n"}})
    for size in (20, 33):
        (x,) = arguments(size)
        np.testing.assert_allclose(run(x), function(x), rtol=1e-4, atol=1e-4)
    rows = list(run.cache_info())
    assert len(rows) == 2
    assert reason in rows[0].reason, rows[0].reason
