"""Checks of functions whose kernels are emulated: in every order of threads."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing
from mlc import te
from mlc.runtime.cuda.emulate import Emulated
from mlc.testing.cuda import assert_compiles

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="no C++ compiler"
)


def normalised(x: Any) -> Any:
    return (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + 1)


def test_each_call_has_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    run = Emulated.__call__

    def noted(self: Any, *args: Any) -> None:
        seen.append(mlc.config.emulated_order)
        run(self, *args)

    monkeypatch.setattr(Emulated, "__call__", noted)
    x = np.random.default_rng(0).standard_normal((5, 70)).astype(np.float32)
    mlc.testing.check_against_numpy(normalised, x, target="cuda-emulated")
    mlc.testing.check_against_numpy(mlc.jit(normalised, target="cuda-emulated"), x)
    assert set(seen) == {"forward", "reverse", "random"} and len(seen) == 4
    assert mlc.config.emulated_order == "forward"


def test_operators() -> None:
    @mlc.op
    def largest(x: Any) -> Any:
        r = te.reduce_axis(x.shape[1])
        return te.compute((x.shape[0],), lambda i: te.max(x[i, r], axis=r))

    how: dict[str, Any] = {"shapes": ["n k"], "targets": ["cuda-emulated"], "examples": 3}
    mlc.testing.check_op(largest, lambda x: x.max(1), **how)
    with pytest.raises(AssertionError, match="cuda-emulated"):
        mlc.testing.check_op(largest, lambda x: x.min(1) - 1, **how)


def test_what_is_lowered_is_compiled_for_cards() -> None:
    x = np.ones((5, 70), np.float32)
    assert_compiles(mlc.jit(normalised, target="cuda-emulated").lower(x))
