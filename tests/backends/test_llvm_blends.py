"""Stores under a mask by way of what is there: where they may be, and that they change no more."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mlc import script as T
from mlc.backends.llvm.blends import is_of_one_thread
from mlc.backends.llvm.target import Target, host_target
from mlc.ir.program import For, LoopKind, walk

from .conftest import one_kernel

DTYPES = [np.int8, np.int16, np.int32, np.int64, np.float32, np.float64, np.bool_,
          ml_dtypes.bfloat16]  # fmt: skip


def without_masks() -> Target:
    """This processor, as one that has no stores under a mask of their own."""
    found = host_target()
    kept = [f for f in found.features.split(",") if not f.startswith("+avx512")]
    return replace(found, features=",".join(kept))


def chosen(dtype: str, backwards: bool = False) -> Any:
    """``y[m] = x[m]``, of an array that this program alone fills; its elements in the other order
    if ``backwards``."""

    @T.program(outputs=1)
    def chosen(
        m: T.Buffer((5, 16), "bool"), x: T.Buffer((5, 16), dtype), y: T.Buffer((5, 16), dtype)
    ):
        for i in T.serial(5):
            for l in T.vectorized(16):
                y[i, l] = x[4 - i, 15 - l]
        for i in T.serial(5):
            for l in T.vectorized(16):
                with T.when(m[i, l]):
                    if backwards:
                        y[i, 15 - l] = x[i, 15 - l]
                    else:
                        y[i, l] = x[i, l]

    return chosen


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_the_mask_leaves_out_stays(dtype: Any, backwards: bool, run_llvm: Any) -> None:
    program, target = chosen(np.dtype(dtype).name, backwards), without_masks()
    text = one_kernel(program, target=target).text
    assert "masked.store" not in text and "load volatile" in text
    rng = np.random.default_rng(1)
    x, m = (
        rng.integers(0, 2 if dtype is np.bool_ else 100, (5, 16)).astype(dtype),
        rng.random((5, 16)) < 0.5,
    )
    y = np.zeros_like(x)
    assert run_llvm(program, m, x, y, target=target) == 0
    picked = m[:, ::-1] if backwards else m
    np.testing.assert_array_equal(y, np.where(picked, x, x[::-1, ::-1]))


@T.program(outputs=1)
def of_an_argument(m: T.Buffer((16,), "bool"), y: T.Buffer((16,), "float32")):
    for l in T.vectorized(16):
        with T.when(m[l]):
            y[l] = 1.0


@T.program(outputs=1)
def of_short_rows(m: T.Buffer((16,), "bool"), y: T.Buffer((4, 12), "float32")):
    for i in T.serial(4):
        for l in T.vectorized(12):
            y[i, l] = 0.0
    for i in T.serial(4):
        for l in T.vectorized(16):
            with T.when((l < 12) & m[l]):
                y[i, l] = 1.0


@pytest.mark.parametrize("program", [of_an_argument, of_short_rows])
def test_what_others_may_write_stays_theirs(program: Any) -> None:
    """Elements of a caller's array, and those of the next row."""
    text = one_kernel(program, target=without_masks()).text
    assert "masked.store" in text and "load volatile" not in text


def shared(step: int, other: int) -> Any:
    @T.program(outputs=1, attrs={"unsafe": ("data keep what they write apart",)})
    def shared(m: T.Buffer((64,), "bool"), y: T.Buffer((80,), "float32")):
        for l in T.vectorized(80):
            y[l] = 0.0
        for i in T.parallel(4):
            for l in T.vectorized(8):
                with T.when(m[i * 8 + l]):
                    y[i * step + l] = 1.0
            for l in T.vectorized(8):
                with T.when(m[i * 8 + l]):
                    y[i * step + other + l] = 2.0

    return shared


@pytest.mark.parametrize(
    ("step", "other", "own"), [(8, 0, True), (16, 8, True), (8, 4, False), (4, 0, False)]
)
def test_threads_blend_their_own_elements(step: int, other: int, own: bool) -> None:
    program = shared(step, other)
    (loop,) = [s for s in walk(program.body) if isinstance(s, For) and s.kind is LoopKind.PARALLEL]
    assert is_of_one_thread(loop, program.params[1]) is own
    text = one_kernel(program, target=without_masks()).text
    assert bool(re.search("call void @llvm.masked.store", text)) is not own
