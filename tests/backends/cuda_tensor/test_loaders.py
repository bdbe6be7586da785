"""Threads of their own that load boxes, beside those that multiply them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import dtypes
from mlc import script as T
from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.compile_device import program_device_module
from mlc.errors import SimulationError, UnsupportedError
from mlc.intrinsics.boxes import load_box, wgmma_boxes
from mlc.ir.program import Program
from mlc.runtime.cuda import emulate
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import assert_compiles

from .tiles import done

LOAD = load_box(dtypes.float16, 64)
BOXES = wgmma_boxes(dtypes.float16)


def products(apart: bool, tiles: int = 3) -> Program:
    """``tiles`` of rows, one after the other in one block, each a product in three steps."""

    @T.program
    def multiply(
        A: T.Buffer((64 * tiles, 192), "float16"), B: T.Buffer((64, 192), "float16"),
        C: T.Buffer((64 * tiles, 64), "float32"),
    ):  # fmt: skip
        for _x in T.thread_binding(1, "blockIdx.x"):
            for t in T.serial(tiles):
                sums = T.alloc((64, 64), "float32", scope=BOXES.sums.scope_c)
                with T.block("fill"):
                    done(BOXES.sums.fill, sums[0:64, 0:64])
                for k in T.serial(3):
                    left = T.alloc((64, 64), "float16", scope="shared")
                    right = T.alloc((64, 64), "float16", scope="shared")
                    with T.block("left"):
                        i, j = T.axis.spatial(tiles, t), T.axis.spatial(3, k)
                        done(LOAD, A[i * 64 : i * 64 + 64, j * 64 : j * 64 + 64], left[0:64, 0:64])
                    with T.block("right"):
                        j = T.axis.spatial(3, k)
                        done(LOAD, B[0:64, j * 64 : j * 64 + 64], right[0:64, 0:64])
                    with T.block("multiply"):
                        done(BOXES.product, left[0:64, 0:64], right[0:64, 0:64], sums[0:64, 0:64])
                with T.block("store"):
                    i = T.axis.spatial(tiles, t)
                    done(BOXES.sums.store, sums[0:64, 0:64], C[i * 64 : i * 64 + 64, 0:64])

    s = Schedule(multiply)
    s.pipeline(s.loop("k"), [0, 0, 1], apart=apart)
    return s.program


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_they_go_on_to_the_next_tile(order: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-8, 8, shape).astype(np.float16) for shape in ((192, 192), (64, 192)))
    c = np.zeros((192, 64), np.float32)
    with mlc.config.override(emulated_order=order):
        mlc.build(products(True), target="cuda-emulated")(a, b, c)
    np.testing.assert_array_equal(c, a.astype(np.float64) @ b.astype(np.float64).T)


def test_its_text(nvrtc: None) -> None:
    module = program_device_module(products(True))
    assert_compiles(module)
    (made,) = module.launches
    assert made.block == (128, 2, 1)
    text = module.source[module.source.index("  if (y == 1) {") :]
    assert (
        text[: text.index("load_box")]
        == """\
  if (y == 1) {
    if (lane == 0) {
      for (int t = 0; t < 3; ++t) {
        for (int k = 0; k < 3; ++k) {
          const uint64_t *const filled = mlc_slot_fill<2>(slots, t * 3 + k, 16384);
          """
    )
    assert "mlc_slot_leave<2>(slots, t * 3 + 2);" in text


def test_the_first_thread_cannot() -> None:
    with pytest.raises(UnsupportedError) as caught:
        program_device_module(products(False))
    assert caught.value.message == (
        "multiply loads boxes, which is done in a pipelined loop: loop k stands in another loop, "
        "or after such a loop, and its slots are made once; bind the loops around to blocks"
    )


def test_without_boxes_it_says_nothing() -> None:
    @T.program
    def doubled(A: T.Buffer((4, 64), "float32"), B: T.Buffer((4, 64), "float32")):
        for k in T.serial(4):
            row = T.alloc((64,), "float32", scope="shared")
            for x in T.thread_binding(64, "threadIdx.x"):
                with T.block("copy"):
                    i, j = T.axis.spatial(4, k), T.axis.spatial(64, x)
                    row[j] = A[i, j]
            for x in T.thread_binding(64, "threadIdx.x"):
                with T.block("double"):
                    i, j = T.axis.spatial(4, k), T.axis.spatial(64, x)
                    B[i, j] = row[63 - j] * 2

    s = Schedule(doubled)
    s.pipeline(s.loop("k"), [0, 1], apart=True)
    a, b = np.arange(256, dtype=np.float32).reshape(4, 64), np.zeros((4, 64), np.float32)
    mlc.build(s.program, target="cuda-emulated")(a, b)
    np.testing.assert_array_equal(b, a[:, ::-1] * 2)


HEAD = """extern "C" __global__ void k(int *B) {
  MLC_SHARED(int, box, 0);
"""


def run_by_some(body: str, threads: int = 96) -> Any:
    """What a kernel of ``threads`` makes of 64 numbers, of which 64 threads wait."""
    b = np.zeros(64, np.int32)
    launch = Launch("k", (1, 1, 1), (threads, 1, 1), 384, (Argument("array", 0),))
    emulate.run_arrays(DeviceModule("k", f"{HEAD}{body}}}", (launch,), 0), [b])
    return b


SHARE = """  if (threadIdx.x < 64) {
    box[threadIdx.x] = threadIdx.x;
    mlc_barrier_of<64>();
    B[threadIdx.x] = box[63 - threadIdx.x];
  }
"""


@pytest.mark.parametrize("order", ["forward", "reverse", "random"])
def test_a_barrier_of_some(order: str) -> None:
    with mlc.config.override(emulated_order=order):
        np.testing.assert_array_equal(run_by_some(SHARE), np.arange(64)[::-1])


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (SHARE.replace("    mlc_barrier_of<64>();\n", ""), "no barrier lies between them"),
        (SHARE.replace("< 64", "< 32"), "thread (0, 0, 0) of block (0, 0, 0) waits at the barrier "
         "of line 5 for 32 threads more, and none is left that comes"),
        (SHARE.replace("< 64", "< 96"), "waits at a barrier of the first 64 threads (line 5)"),
        (SHARE + "  else if (threadIdx.x == 64) B[0] = box[0];\n", "no barrier lies between them"),
        (SHARE.replace("  }", "    mlc_barrier_of<96>();\n  }"),
         "waits at a barrier of 96 threads, where others wait for 64"),
    ],
)  # fmt: skip
def test_what_is_found(body: str, wanted: str) -> None:
    with pytest.raises(SimulationError) as caught:
        run_by_some(body)
    assert wanted in caught.value.message
