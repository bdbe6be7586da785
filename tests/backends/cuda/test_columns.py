"""Folds of columns, whatever the extents beside them are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

from .conftest import needs_compiler

pytestmark = needs_compiler
Array = np.ndarray[Any, Any]

FOLDS: tuple[tuple[Callable[[Array], Array], tuple[int, ...]], ...] = (
    (lambda a: a.sum(axis=1), (8, 4096, 1000)),
    (lambda a: a.var(axis=0), (1024, 1000)),
    (lambda a: a.max(axis=(0, 2)), (32, 64, 28, 28)),
    (lambda a: a.std(axis=1), (8, 4096, 100)),
    (lambda a: a.argmin(axis=1), (77, 777, 77)),
)


@pytest.mark.parametrize(("fold", "shape"), FOLDS)
def test_blocks_share_what_they_need(
    fold: Callable[[Array], Array], shape: tuple[int, ...]
) -> None:
    lowered = mlc.jit(fold, target="cuda-emulated").lower(np.empty(shape, np.float32))
    launches = lowered.compiled.device_module.launches
    assert max(launch.shared_bytes for launch in launches) <= 2048


@pytest.mark.parametrize(
    ("fold", "shape"),
    [
        (lambda a: a.sum(axis=2), (3, 2, 100, 11)),
        (lambda a: a.var(axis=1), (5, 130, 33)),
        (lambda a: a.max(axis=(1, 3)), (2, 9, 7, 8)),
        (lambda a: a.argmax(axis=1), (3, 70, 37)),
    ],
)
def test_values(fold: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    folded, wanted = mlc.jit(fold, target="cuda-emulated"), fold(x.astype(np.float64))
    for order in ("forward", "reverse", "random"):
        with mlc.config.override(emulated_order=order):
            np.testing.assert_allclose(folded(x), wanted, rtol=1e-5, atol=1e-5, err_msg=order)


@pytest.mark.parametrize(
    ("shape", "axis", "dtype"),
    [((40, 1000), 0, "float32"), ((3, 50, 100), 1, "int32"), ((3, 20, 70), 1, "float16"),
     ((30, 4, 300), 0, "float32"), ((20, 100), 0, "bool")],
)  # fmt: skip
def test_scans_of_columns_have_a_thread_for_each(
    shape: tuple[int, ...], axis: int, dtype: str
) -> None:
    x = np.random.default_rng(0).integers(-1, 2, shape).astype(dtype)
    scan = mlc.jit(lambda x: np.cumsum(x, axis=axis), target="cuda-emulated")
    (launch, *_) = scan.lower(x).compiled.device_module.launches
    threads = np.prod(launch.grid) * np.prod(launch.block)
    assert threads >= x.size // shape[axis]
    with mlc.config.override(emulated_order="random"):
        np.testing.assert_array_equal(scan(x), np.cumsum(x, axis=axis))
