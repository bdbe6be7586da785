"""wmma: tiles of which only the card knows who holds what."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.intrinsics.wmma import wmma
from mlc.testing.cuda import assert_compiles

from .tiles import KINDS, tile_program

CASES = [
    ("float16", "mk", "kn"),
    ("bfloat16", "mk", "nk"),
    ("float16", "km", "nk"),
    ("bfloat16", "km", "kn"),
]


@pytest.mark.parametrize(("kind", "a_order", "b_order"), CASES)
def test_a_product(kind: str, a_order: str, b_order: str, nvrtc: None) -> None:
    program = tile_program(kind, wmma(kind, a_order, b_order), a_order, b_order, True)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-64, 64, (16, 16)).astype(KINDS[kind]) for _ in "ab")
    made, meant = np.zeros((2, 16, 16), np.float32)
    mlc.build(program, target="numpy")(a, b, meant)
    mlc.build(program, target="cuda-emulated")(a, b, made)
    np.testing.assert_array_equal(made, meant)
    left, right = a.astype(np.float64), b.astype(np.float64)
    if a_order == "km":
        left = left.T
    if b_order == "nk":
        right = right.T
    np.testing.assert_array_equal(meant, left @ right)
    assert_compiles(mlc.build(program, target="cuda").lower().compiled.device_module)


def test_in_every_order_of_lanes(order: str) -> None:
    a, b = (np.random.default_rng(n).integers(-9, 9, (16, 16)).astype("f2") for n in (0, 1))
    made = np.zeros((16, 16), np.float32)
    mlc.build(
        tile_program("float16", wmma("float16"), through_shared=True), target="cuda-emulated"
    )(a, b, made)
    np.testing.assert_array_equal(made, a.astype(np.float64) @ b)
