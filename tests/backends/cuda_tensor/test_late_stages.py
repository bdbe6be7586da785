"""Pipelined loops of boxes whose uses are of several stages: some are an iteration late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import mlc
from mlc import dtypes
from mlc import script as T
from mlc.compile_device import program_device_module
from mlc.errors import UnsupportedError
from mlc.intrinsics.boxes import load_box, wgmma_boxes
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import assert_compiles

from .tiles import done

LOAD = load_box(dtypes.float16, 64)
BOXES = wgmma_boxes(dtypes.float16)


def squares(stages: Sequence[int], order: Sequence[int], apart: bool = False) -> Program:
    """``C = A @ A.T`` and ``D = B @ B.T``, in five steps of 64."""

    @T.program
    def multiply(
        A: T.Buffer((64, 320), "float16"), B: T.Buffer((64, 320), "float16"),
        C: T.Buffer((64, 64), "float32"), D: T.Buffer((64, 64), "float32"),
    ):  # fmt: skip
        for _x in T.thread_binding(1, "blockIdx.x"):
            one = T.alloc((64, 64), "float32", scope=BOXES.sums.scope_c)
            two = T.alloc((64, 64), "float32", scope=BOXES.sums.scope_c)
            with T.block("fill_one"):
                done(BOXES.sums.fill, one[0:64, 0:64])
            with T.block("fill_two"):
                done(BOXES.sums.fill, two[0:64, 0:64])
            for k in T.serial(5):
                a = T.alloc((64, 64), "float16", scope="shared")
                b = T.alloc((64, 64), "float16", scope="shared")
                with T.block("load_a"):
                    i = T.axis.spatial(5, k)
                    done(LOAD, A[0:64, i * 64 : i * 64 + 64], a[0:64, 0:64])
                with T.block("load_b"):
                    i = T.axis.spatial(5, k)
                    done(LOAD, B[0:64, i * 64 : i * 64 + 64], b[0:64, 0:64])
                with T.block("square_a"):
                    done(BOXES.product, a[0:64, 0:64], a[0:64, 0:64], one[0:64, 0:64])
                with T.block("square_b"):
                    done(BOXES.product, b[0:64, 0:64], b[0:64, 0:64], two[0:64, 0:64])
            with T.block("store_one"):
                done(BOXES.sums.store, one[0:64, 0:64], C[0:64, 0:64])
            with T.block("store_two"):
                done(BOXES.sums.store, two[0:64, 0:64], D[0:64, 0:64])

    s = Schedule(multiply)
    s.pipeline(s.loop("k"), stages, order, apart)
    return s.program


@pytest.mark.parametrize("lanes", ["forward", "reverse", "random"])
@pytest.mark.parametrize(
    ("stages", "order"),
    [
        ((0, 1, 2, 3), (2, 3, 0, 1)),  # slots are filled after they are used
        ((0, 1, 1, 2), (0, 1, 3, 2)),
        ((0, 2, 1, 3), (0, 1, 2, 3)),  # two iterations late
        ((0, 0, 2, 2), (1, 2, 0, 3)),
    ],
)
def test_values(stages: Sequence[int], order: Sequence[int], lanes: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-8, 8, (64, 320)).astype(np.float16) for _ in range(2))
    c, d = np.zeros((2, 64, 64), np.float32)
    with mlc.config.override(emulated_order=lanes):
        mlc.build(squares(stages, order), target="cuda-emulated")(a, b, c, d)
    for given, got in ((a, c), (b, d)):
        exact = given.astype(np.float64)
        np.testing.assert_array_equal(got, exact @ exact.T)


def test_its_text(nvrtc: None) -> None:
    module = program_device_module(squares((0, 1, 2, 3), (2, 3, 0, 1)))
    assert_compiles(module, ("sm_90a",))
    text = module.source[module.source.index("mlc_slots_begin<3>(slots, 4);") :]
    lines = [line.strip().split("(")[0] for line in text.split("\n")]
    fill = "const uint64_t *const filled = mlc_slot_fill<3>"
    product = "wgmma_boxes_64x64x64_mk_nk_float16"
    loop = lines.index("for ")
    assert lines[loop + 1 : loop + 7] == ["mlc_slot_wait<3>", product, product, "if ", "if ", fill]
    assert "for (int k = 0; k < 4; ++k)" in text  # the first of a, and the last of b stand alone
    assert lines[:loop].count(product) == lines[loop:].count(product) - 2 == 1
    assert "mlc_slot_fill<3>(slots, 0, 8192);" in text


@pytest.mark.parametrize(
    ("stages", "order", "apart", "wanted"),
    [
        ((0, 0, 2, 3), (0, 1, 2, 3), False, "b is loaded 0 iterations of k late and used 1 late; "
         "give its load the stage 1"),
        ((0, 1, 2, 3), (0, 1, 2, 3), True, "threads of their own load for loop k, of which all "
         "uses have one stage then; leave out apart=True"),
        ((0, 4, 1, 5), (0, 1, 2, 3), False, ""),
        ((0, 5, 1, 6), (0, 1, 2, 3), False, "stages of loop k are further apart than it has "
         "iterations"),
        ((1, 1, 2, 2), (0, 1, 2, 3), False, "loop k must have the stages 0, of loads, and n, of "
         "uses"),
    ],
)  # fmt: skip
def test_what_is_refused(
    stages: Sequence[int], order: Sequence[int], apart: bool, wanted: str
) -> None:
    program = squares(stages, order, apart)
    if not wanted:
        program_device_module(program)
        return
    with pytest.raises(UnsupportedError) as caught:
        program_device_module(program)
    whole = f"multiply loads boxes, which is done in a pipelined loop: {wanted}"
    assert caught.value.message == whole
