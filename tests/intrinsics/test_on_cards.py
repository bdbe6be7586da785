"""Intrinsics of one's own for cards: declared in one place, and tried on the emulator."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="no C++ compiler"
)
_numbers = itertools.count()


def warp_sum(text: str, threads: int = 32, **how: Any) -> Any:
    """A sum by a warp, of a name of its own, which the text calls NAME."""
    name = f"on_cards_{next(_numbers)}"

    @mlc.intrinsic(name=name, threads=threads, **how)
    def meaning(A: T.Buffer((32,), scope="shared"), total: T.Buffer((1,), scope="shared")):
        for i in T.serial(32):
            total[0] += A[i]

    meaning.implementation("cuda")(lambda: text.replace("NAME", name))
    return meaning


SUM = """
MLC_DEVICE void NAME(const float *a, int64_t step, float *total) {
  float sum = a[threadIdx.x * step];
  for (int n = 16; n; n /= 2) sum += mlc_shfl_down(sum, n);
  if (threadIdx.x == 0) *total += sum;
}"""


def test_what_a_warp_does_is_tried_on_the_emulator() -> None:
    warp_sum(SUM).check(trials=2)
    with pytest.raises(mlc.CompileError, match=r"makes total\[0\] .*, its meaning makes it"):
        warp_sum(SUM.replace("n = 16", "n = 8")).check(trials=1)
    with pytest.raises(mlc.SimulationError, match="no barrier lies between them"):
        warp_sum(SUM.replace("if (threadIdx.x == 0)", "")).check(trials=1)


def test_what_one_thread_does_is_tried_on_the_emulator() -> None:
    @mlc.intrinsic
    def on_cards_dot(
        A: T.Buffer((4,), "int8"), B: T.Buffer((4,), "int8"), C: T.Buffer((1,), "int32")
    ):
        for i in T.serial(4):
            C[0] += T.int32(A[i]) * T.int32(B[i])

    text = """
MLC_DEVICE void on_cards_dot(
    const int8_t *a, int64_t sa, const int8_t *b, int64_t sb, int *c) {
  for (int i = 0; i < COUNT; ++i) *c += a[i * sa] * b[i * sb];
}"""
    on_cards_dot.implementation("cuda")(lambda: text.replace("COUNT", "4"))
    on_cards_dot.check(trials=2)
    on_cards_dot.implementation("cuda")(lambda: text.replace("COUNT", "3"))
    with pytest.raises(mlc.CompileError, match="on_cards_dot makes C"):
        on_cards_dot.check(trials=1)


def test_a_warp_waits_for_what_one_thread_does() -> None:
    total = warp_sum(SUM)

    @T.program
    def program(X: T.Buffer((32,)), Y: T.Buffer((1,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            A = T.alloc((32,), scope="shared")
            S = T.alloc((1,), scope="shared")
            for i in T.serial(32):
                A[i] = X[i] * 2.0
            S[0] = 1.0
            total(A[0:32], S[0:1])
            Y[0] = S[0]

    run = mlc.build(program, target="cuda-emulated")
    assert str(run.lower().cuda).count("mlc_barrier();") == 2
    x, y = np.arange(32, dtype=np.float32), np.zeros(1, np.float32)
    for order in ("forward", "reverse", "random"):
        with mlc.config.override(emulated_order=order):
            run(x, y)
        assert y[0] == 1 + 2 * x.sum()


def test_what_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError, match="a warp of 32 or four of them, 128, got threads=7"):
        warp_sum(SUM, threads=7)
    with pytest.raises(
        mlc.ArgumentError, match=r"held of intrinsic .* names 'Q', and its operands"
    ):
        warp_sum(SUM, held={"Q": 1})
    with pytest.raises(mlc.ArgumentError, match="32 threads that hold 0 each have room for 0"):
        warp_sum(SUM, held={"A": 0})
    with pytest.raises(mlc.ArgumentError, match=r"threads hold A of intrinsic .* cannot try it"):
        warp_sum(SUM, held={"A": 1}).check()
    known = warp_sum(SUM)
    with pytest.raises(mlc.ArgumentError, match="of other threads or operands exists"):

        @mlc.intrinsic(name=known.name)
        def again(A: T.Buffer((32,), scope="shared"), total: T.Buffer((1,), scope="shared")):
            for i in T.serial(32):
                total[0] += A[i]
