"""Attention of few rows over many keys: parts of the keys, and what puts them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

import mlc
from mlc.testing.cuda import assert_compiles

from ..attention_programs import Array, assert_near, draw, masked, plain

BOUND = {np.float16: 3e-3, ml_dtypes.bfloat16: 3e-2}


def late(q: Array, k: Array, v: Array) -> Array:
    """The last row sees all keys, row 0 none."""
    return masked(q, k, v, 0, 400)


def check(
    fn: Callable[..., Array], q: Array, k: Array, v: Array, parts: int, jitted: Any = None
) -> Any:
    jitted = jitted or mlc.jit(fn, target="cuda-emulated")
    module = jitted.lower(q, k, v).compiled.device_module
    names = ["attention_0_kernel", "attention_1_kernel"] if parts > 1 else ["attention_kernel"]
    assert [launch.kernel for launch in module.launches] == names
    assert module.launches[0].grid[0] == parts
    assert_near(jitted, fn, (q, k, v), BOUND[q.dtype.type])
    return module


def test_one_row() -> None:
    arrays = draw(1, 2, 1, 64), draw(1, 2, 800, 64), draw(1, 2, 800, 33)
    jitted = mlc.jit(plain, target="cuda-emulated")
    for order in ("forward", "reverse", "random"):
        with mlc.config.override(emulated_order=order):
            check(plain, *arrays, 3, jitted)


def test_some_rows() -> None:
    q, k, v = (draw(2, n, 128, dtype=ml_dtypes.bfloat16) for n in (5, 700, 700))
    assert_compiles(check(late, q, k, v, 2))
    check(plain, draw(40, 64), draw(600, 64), draw(600, 64), 2)  # rows of three warps


def test_heads_that_share_keys_are_rows() -> None:
    check(plain, draw(1, 6, 64), draw(1, 520, 64), draw(1, 520, 64), 2)
    shared = mlc.jit(plain, target="cuda-emulated").lower(
        draw(2, 6, 1, 64), draw(2, 1, 520, 64), draw(2, 1, 520, 64)
    )
    (parts, _) = shared.compiled.device_module.launches
    assert parts.grid == (2, 2, 1)


def test_where_keys_are_not_split() -> None:
    check(plain, draw(1, 1, 64), draw(1, 140, 64), draw(1, 140, 64), 1)
    many = [draw(1, 1, n, 64) for n in (1, 1100, 1100)]
    many = [np.broadcast_to(x, (60, 20, *x.shape[2:])).copy() for x in many]
    module = mlc.jit(plain, target="cuda-emulated").lower(*many).compiled.device_module
    assert [launch.grid for launch in module.launches] == [(1, 1200, 1)]
    wide = [x.astype(np.float32) for x in (draw(1, 1, 64), draw(1, 600, 64), draw(1, 600, 64))]
    text = str(mlc.jit(plain, target="cuda-emulated").lower(*wide).cuda)
    assert "attention" not in text  # float32 is not for tensor cores
