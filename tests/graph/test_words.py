"""Moves of short rows as moves of words: what NumPy's own are, wherever memory begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.graph.words import as_words
from mlc.ir.expr import select
from mlc.te.nests import nest_of
from mlc.tune.targets import workloads_for

MOVES: dict[str, Callable[[Any], Any]] = {
    "repeated": lambda a: np.repeat(a, 3, axis=0),
    "turned": lambda a: np.swapaxes(a, 0, 1).copy(),
    "tiled": lambda a: np.tile(a, (2, 2) + (1,) * (a.ndim - 2)),
    "rolled": lambda a: np.roll(a, 3, axis=1),
    "reversed": lambda a: a[::-1, ::2].copy(),
    "padded": lambda a: np.pad(a, [(1, 2), (3, 0)] + [(0, 0)] * (a.ndim - 2)),
    "filled": lambda a: np.pad(a, [(1, 2), (3, 0)] + [(0, 0)] * (a.ndim - 2), constant_values=-1),
    "chosen": lambda a: a[[3, 0, 3, 11]],
    "joined": lambda a: np.concatenate([a, a[:, ::-1]], axis=1),
}
ROWS = {"complex64": (), "uint8": (4,), "bool": (2,), "float16": (4,), "int32": (2,), "int8": (8,)}


def drawn(dtype: str, shape: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(7)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = rng.integers(0, 2 if dtype == "bool" else 256, size, np.uint8)
    return memory.view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ROWS)
@pytest.mark.parametrize("move", MOVES)
def test_bytes_are_those_of_numpy(move: str, dtype: str) -> None:
    f, a = MOVES[move], drawn(dtype, (12, 21, *ROWS[dtype]))
    jitted = mlc.jit(f)
    found, expected = jitted(a), f(a)
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    *_, out = jitted.lower(a).compiled.kernels[0].scheduled.params
    assert out.ndim == 2 and out.dtype.name == f"uint{8 * found[0, 0].nbytes}"


def test_memory_may_begin_between_words() -> None:
    jitted = mlc.jit(lambda a: a[:, ::-1])
    for offset in (0, 4):
        memory = np.zeros((2, 8 * 40 * 50 + 8), np.uint8)
        given, out = (m[offset : offset + 8 * 2000].view(np.complex64) for m in memory)
        given[:] = drawn("complex64", (2000,))
        given, out = given.reshape(40, 50), out.reshape(40, 50)
        jitted(given, out=out)
        assert out.tobytes() == given[:, ::-1].tobytes()


def test_what_is_strided_by_whole_rows_alone_is_words() -> None:
    pixels = drawn("uint8", (30, 40, 5))
    f = mlc.jit(lambda a: np.flipud(a).copy())
    assert (f(pixels[:, :, :4]) == pixels[::-1, :, :4]).all()  # five bytes apart
    wide = drawn("uint8", (30, 40, 8))
    assert (f(wide[:, :, 4:]) == wide[::-1, :, 4:]).all()


def refused(body: Callable[..., Any], *others: mlc.te.Tensor) -> bool:
    made = mlc.te.compute((6, 2), body)
    return as_words([nest_of((made,))], others, (made,)) is None


def test_rows_that_are_taken_apart_stay_elements() -> None:
    a, places = mlc.te.placeholder((6, 2), "float32"), mlc.te.placeholder((6, 2), "int64")
    assert not refused(lambda i, c: a[i, c], a)
    assert not refused(lambda i, c: select(i < 3, a[i, c], 2.0), a)
    assert not refused(lambda i, c: a[places[i, 0], c], a, places)
    assert refused(lambda i, c: a[i, 1 - c], a)  # other order
    assert refused(lambda i, c: a[i, c] + 1.0, a)  # a computation
    assert refused(lambda i, c: select(c < 1, a[i, c], 2.0), a)  # half of a row
    assert refused(lambda i, c: select(a[i, 0] > 0, a[i, c], 2.0), a)  # elements are read besides
    assert refused(lambda i, c: select(places[i, c] > 0, a[i, c], 2.0), a, places)


@pytest.mark.parametrize("x", [np.bool_(True), np.array(3.0, np.float32), np.arange(4.0)])
def test_one_number_fills_rows_and_nothing_is_moved_to_nowhere(x: Any) -> None:
    filled = mlc.jit(lambda x: np.full((3, 2), np.sum(x)))
    np.testing.assert_array_equal(filled(x), np.full((3, 2), np.sum(x)), strict=True)
    nothing = mlc.jit(lambda x: (np.ravel(x)[:, None] > 1)[..., :0].max(axis=-1, initial=3))
    np.testing.assert_array_equal(nothing(x), np.ones(np.size(x), bool) * 3 > 0)


def test_what_is_tuned_are_elements() -> None:
    def f(a: Any) -> Any:
        b = np.repeat(a[:, ::-1], 3, axis=1)
        return b, np.cumsum(b.real)

    jitted, a = mlc.jit(f), drawn("complex64", (30, 40))
    jitted(a)
    for workload in workloads_for(jitted, (a,), {}):
        assert all(p.dtype.kind == "f" for p in workload.program.params)
