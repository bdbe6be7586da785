"""Boxes in schedules by hand: what is refused, and what interpreters make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import dtypes
from mlc import script as T
from mlc.errors import UnsupportedError
from mlc.intrinsics.boxes import load_box, wgmma_boxes
from mlc.ir.program import Program

from .tiles import done

LOAD = load_box(dtypes.float16, 64)
BOXES = wgmma_boxes(dtypes.float16)


def product(width: int = 64, fill: bool = True, spoil: bool = False) -> Program:
    """One product of boxes, with no loop around its loads."""

    @T.program
    def multiply(
        A: T.Buffer((64, width), "float16"), B: T.Buffer((64, 64), "float16"),
        C: T.Buffer((64, 64), "float32"),
    ):  # fmt: skip
        for _x in T.thread_binding(1, "blockIdx.x"):
            left = T.alloc((64, 64), "float16", scope="shared")
            right = T.alloc((64, 64), "float16", scope="shared")
            sums = T.alloc((64, 64), "float32", scope=BOXES.sums.scope_c)
            with T.block("fill"):
                done(BOXES.sums.fill, sums[0:64, 0:64])
            with T.block("left"):
                done(LOAD, A[0:64, 0:64], left[0:64, 0:64])
            if fill:
                with T.block("right"):
                    done(LOAD, B[0:64, 0:64], right[0:64, 0:64])
            if spoil:
                for x in T.thread_binding(128, "threadIdx.x"):
                    with T.block("spoil"):
                        v = T.axis.spatial(128, x)
                        left[v // 2, v % 2] = 0
            with T.block("multiply"):
                done(BOXES.product, left[0:64, 0:64], right[0:64, 0:64], sums[0:64, 0:64])
            with T.block("store"):
                done(BOXES.sums.store, sums[0:64, 0:64], C[0:64, 0:64])

    return multiply


def test_what_it_means() -> None:
    rng = np.random.default_rng(0)
    b = rng.integers(-8, 8, (64, 64)).astype(np.float16)
    for width in (64, 40):  # past the end there is 0
        a = rng.integers(-8, 8, (64, width)).astype(np.float16)
        c = np.zeros((64, 64), np.float32)
        mlc.build(product(width), target="numpy")(a, b, c)
        np.testing.assert_array_equal(c, a.astype(np.float64) @ b[:, :width].astype(np.float64).T)


def padded(outside: float, end: int) -> mlc.Schedule:
    """Rows of 40 elements, and what is past ``end``, copied by loops."""

    @T.program
    def copy(A: T.Buffer((64, 40), "float16"), C: T.Buffer((64, 64), "float16")):
        S = T.alloc((64, 64), "float16", scope="shared")
        for i, j in T.grid(64, 64):
            with T.block("S"):
                vi, vj = T.remap("SS", [i, j])
                S[vi, vj] = T.select(vj < end, A[vi, vj], T.float16(outside))
        for i, j in T.grid(64, 64):
            with T.block("C"):
                vi, vj = T.remap("SS", [i, j])
                C[vi, vj] = S[vi, vj]

    return mlc.Schedule(copy)


def test_loops_with_zeros_past_the_end_are_a_box() -> None:
    s = padded(0, 40)
    s.tensorize(s.loops("S")[0], LOAD)
    a, c = np.ones((64, 40), np.float16), np.zeros((64, 64), np.float16)
    mlc.build(s.program, target="numpy")(a, c)
    assert (c[:, :40] == 1).all() and not c[:, 40:].any()
    for outside, end in ((-0.0, 40), (1, 40), (0, 39)):
        s = padded(outside, end)
        with pytest.raises(mlc.ScheduleError, match="does not compute what load_box_64x64_float16"):
            s.tensorize(s.loops("S")[0], LOAD)


def test_only_calls_that_say_so_read_past_the_end() -> None:
    with pytest.raises(mlc.BoundsError, match="index 63 leaves axis 1 of A, which has 40 elements"):

        @T.program
        def copy(A: T.Buffer((64, 40)), C: T.Buffer((64, 40))):
            with T.block("C"):
                T.reads(A[0:64, 0:64])
                T.writes(C[0:64, 0:40])
                T.call("copy_all", A[0:64, 0:40], C[0:64, 0:40])


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "multiply loads boxes, which is done in a pipelined loop: a load stands outside of "
             "one; say pipeline(loop, [0, 0, 2])"),
        ({"fill": False}, "wgmma_boxes_64x64x64_mk_nk_float16 in multiply multiplies boxes, and "
                          "right is filled by other means than loads of boxes; tensorize its copy"),
        ({"spoil": True}, "left of multiply holds boxes, whose elements lie mixed in shared "
                          "memory, and is touched there by other means than products of boxes; "
                          "tensorize those loops as well, or copy it by threads"),
    ],
)  # fmt: skip
def test_what_is_refused(options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        mlc.build(product(**options), target="cuda-emulated").lower()
    assert caught.value.message == wanted


def test_what_arrays_must_be() -> None:
    from mlc.intrinsics.boxes import why_no_boxes
    from mlc.ir.program import Buffer

    def why(*shape: int, strides: tuple[int, ...] | None = None, box: int = 64) -> str | None:
        buffer = Buffer("A", shape, dtypes.float16, strides)
        return why_no_boxes(buffer, (*(1,) * (len(shape) - 2), 64, box))

    assert why(128, 64) is why(3, 128, 64) is why(1, 64, strides=(7, 1)) is None
    assert why(128, 100) == "its rows are 200 bytes apart, which is no multiple of 16"
    assert why(128, 64, strides=(1, 128)) == "a box has 64 neighbours along the last dimension"
    assert why(1, 1, 1, 1, 64, 64) == "it has 6 dimensions, and 2 to 5 are possible"


def test_names() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        load_box(dtypes.float32, 64)
    assert caught.value.message == (
        "a box has elements of float16 or bfloat16 and a multiple of 8 rows up to 256 here, got "
        "float32 and 64"
    )
    with pytest.raises(mlc.ArgumentError, match="orders of boxes are one of mk, km and one of nk"):
        wgmma_boxes(dtypes.float16, 64, "mk", "km")
