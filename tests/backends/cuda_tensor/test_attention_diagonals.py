"""Masks of an attention are compared in the tiles alone that their diagonals go through."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.graph.attention.diagonals import diagonals, without, worst
from mlc.ir.expr import Apply, Axis, apply, cast, const, select
from mlc.ir.rewrite import loads_of, postorder, substitute
from mlc.ir.simplify import simplify
from mlc.testing.cuda import assert_compiles

QUERIES, KEYS = 150, 200


def masked(mask: Any) -> Any:
    """Attention whose mask is a constant, or made of numbers of rows and keys."""

    def attention(q: Any, k: Any, v: Any) -> Any:
        scores = q @ np.swapaxes(k, -1, -2) / 4
        if mask is added:
            scores = scores + mask(*scores.shape[-2:])
        else:
            scores = np.where(mask(*scores.shape[-2:]), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True) @ v

    return attention


def arrays(dtype: Any = np.float16) -> list[Any]:
    rng = np.random.default_rng(0)
    sizes = (QUERIES, KEYS, KEYS)
    return [rng.uniform(-1, 1, (1, n, 16)).astype(dtype) for n in sizes]


def below(rows: int, keys: int) -> Any:
    return np.tri(rows, keys, 60, dtype=bool)


def above(rows: int, keys: int) -> Any:
    return ~np.tri(rows, keys, -20, dtype=bool)


def between(rows: int, keys: int) -> Any:
    return np.tri(rows, keys, 90, dtype=bool) & ~np.tri(rows, keys, -70, dtype=bool)


def added(rows: int, keys: int) -> Any:
    return np.where(np.tri(rows, keys, 60, dtype=bool), 0, -np.inf).astype(np.float16)


@pytest.mark.parametrize(
    ("mask", "order"),
    [(below, "forward"), (above, "reverse"), (added, "random"), (between, "reverse")],
)
def test_they_compute_the_same(mask: Any, order: str) -> None:
    attention = mlc.jit(masked(mask), target="cuda-emulated")
    given = arrays()
    with mlc.config.override(cuda_architecture="sm_80", emulated_order=order):
        text = str(attention.lower(*given).cuda)
        got = attention(*given)
    assert text.count("__global__") == 1
    assert re.search(r"if \(.*< 200 && .*[<>].*\) \{", text)  # whether a tile needs comparisons
    assert ("if (!(" in text) == (mask is not added)  # and nothing is done to others
    wanted = masked(mask)(*(x.astype(np.float64) for x in given))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-3)


def test_for_hopper(nvrtc: None) -> None:
    """Values of the last tile are multiplied meanwhile; no register is waited for."""
    given = [np.ones((2, n, 128), np.float16) for n in (256, 330, 330)]
    with mlc.config.override(cuda_architecture="sm_90a"):
        module = mlc.jit(masked(below), target="cuda-emulated").lower(*given).compiled.device_module
    assert "wgmma_held" in module.source and "if (!(" in module.source
    assert_compiles(module, ["sm_90a"])


def test_without_a_mask_only_the_last_tile_is_looked_at() -> None:
    with mlc.config.override(cuda_architecture="sm_80"):
        attention = mlc.jit(mlc.nn.scaled_dot_product_attention, target="cuda-emulated")
        text = str(attention.lower(*arrays()).cuda)
    assert "+ 63 < 200)" in text or "t < 200" in text


I, J = Axis("i", 300), Axis("j", 300)
PRODUCT = te.placeholder((300, 300), "float32", "P")[I, J]
HIDDEN = const(-math.inf, "float32")


def test_the_worst_place_of_a_tile_decides() -> None:
    """If a comparison holds there it holds in the whole tile, and only then."""
    i, j = cast(I, "int64"), cast(J, "int64")
    tile = {I: (const(64), const(67)), J: (const(128), const(130))}
    for fn, a, b in itertools.product(("lt", "le", "gt", "ge"), (-2, 0, 1), (-1, 1, 3)):
        for c, is_hidden in itertools.product(range(-600, 600, 35), (False, True)):
            node = apply(fn, j * b, i * a + c)
            sides = (HIDDEN, PRODUCT) if is_hidden else (PRODUCT, HIDDEN)
            (found,) = diagonals(select(node, *sides), PRODUCT, I, J)
            assert found.comparison is node and found.is_hidden is is_hidden
            shown = found.shown
            at = {axis: worst(shown, axis, tile[axis]) for axis in (I, J)}
            here = simplify(substitute(shown, at)).value
            points = [
                simplify(substitute(node, {I: const(p), J: const(q)})).value
                for p, q in itertools.product(range(64, 68), range(128, 131))
            ]
            assert bool(here) is all(bool(point) is not is_hidden for point in points)


def test_what_no_diagonal_divides() -> None:
    i, j = cast(I, "int64"), cast(J, "int64")
    for test in (
        apply("le", i, const(3, "int64")),  # the same for all keys
        apply("le", j * j, i),
        apply("le", cast(J, "uint8"), cast(I, "uint8")),  # wraps around
    ):
        assert not diagonals(select(test, PRODUCT, HIDDEN), PRODUCT, I, J)


def test_what_is_left_of_a_score() -> None:
    test = apply("le", cast(J, "int64"), cast(I, "int64"))
    for score in (select(test, PRODUCT, HIDDEN), PRODUCT + select(test, 0.0, HIDDEN)):
        found = diagonals(score, PRODUCT, I, J)
        made = without(score, found)
        assert not any(isinstance(node, Apply) and node.fn == "le" for node in postorder(made))
        assert PRODUCT in loads_of(made)
