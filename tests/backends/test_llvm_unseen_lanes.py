"""Lanes of registers that nobody looks at may hold anything; others stay as they are."""

import numpy as np
import pytest

import mlc
from mlc import nn
from mlc import script as T
from mlc.backends.llvm.unseen_lanes import unseen_lanes
from mlc.ir.program import Allocate, walk


def program(filled: str, stored: str, moving: bool = False):
    """Sums of the lanes that are ``filled`` of a register, whose lanes that are ``stored`` are
    copied out, inside the loop over steps if ``moving``."""
    holds = {
        "all": lambda j, k: j >= 0,
        "five": lambda j, k: j < 5,
        "four": lambda j, k: j < 4,
        "both": lambda j, k: (j < 5) & (j > 1),
        "step": lambda j, k: j < k,
    }
    fill, store = holds[filled], holds[stored]

    @T.program
    def sums(A: T.Buffer((8, 16)), C: T.Buffer((8, 16))):
        acc = T.alloc((16,), scope="register")
        for j in T.vectorized(16):
            acc[j] = 1.0
        for k in T.serial(8):
            for j in T.vectorized(16):
                with T.when(fill(j, k)):
                    acc[j] += A[k, j]
            if moving:
                for j in T.vectorized(16):
                    with T.when(store(j, k)):
                        C[k, j] = acc[j]
        if not moving:
            for j in T.vectorized(16):
                with T.when(store(j, 3)):
                    C[0, j] = acc[j]

    return sums


@pytest.mark.parametrize(
    ("filled", "stored", "moving", "unseen"),
    [
        ("five", "five", False, True),
        ("five", "both", False, True),
        ("five", "five", True, True),
        ("five", "all", False, False),
        ("five", "four", False, False),
        ("both", "five", False, False),
        ("step", "step", True, False),  # what a step leaves out, the next one stores
    ],
)
def test_lanes_that_nobody_looks_at(filled, stored, moving, unseen):
    sums = program(filled, stored, moving)
    scopes = [n for n in walk(sums.body) if isinstance(n, Allocate)]
    assert [bool(unseen_lanes(scope)) for scope in scopes] == [unseen]
    a = np.random.default_rng(0).random((8, 16)).astype(np.float32)
    made, wanted = np.zeros((2, 8, 16), np.float32)
    mlc.build(sums)(a, made)
    mlc.build(sums, target="interpret")(a, wanted)
    np.testing.assert_allclose(made, wanted, rtol=1e-6)


def test_sums_of_short_rows_are_multiplied_and_added_alone():
    x, w = np.ones((1, 4, 14, 14), np.float32), np.ones((4, 1, 3, 3), np.float32)
    found = mlc.jit(lambda x, w: nn.conv2d(x, w, groups=4)).lower(x, w)
    sums = [line for line in str(found.llvm).splitlines() if "@llvm.fma" in line]
    kept = [line for line in str(found.llvm).splitlines() if " select " in line]
    assert not kept
    assert len(sums) <= 3 * 12 + 3  # rows share the loop over one of the offsets


@pytest.mark.parametrize("extent", [5, 11, 14, 17])
def test_rows_of_one_channel_are_summed_up_side_by_side(extent):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, 3, extent + 4, extent + 4)).astype(np.float32)
    w = rng.standard_normal((3, 1, 5, 5)).astype(np.float32)
    layer = mlc.jit(lambda x, w: nn.conv2d(x, w, groups=3))
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(2, 3))
    np.testing.assert_allclose(
        layer(x, w), np.einsum("ncijpq,copq->ncij", windows, w), rtol=1e-4, atol=1e-4
    )
    text = str(layer.lower(x, w).schedule)
    assert "s.unroll(p)" in text and "s.unroll(i" in text
