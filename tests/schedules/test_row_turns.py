"""Folds of rows, and what waits for them, take a few rows in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.dtypes import float32
from mlc.ir.expr import apply
from mlc.ir.program import For, Program, walk
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.program import Nest


def _softmax(rows: int, columns: int, machine: Machine) -> Program:
    x = te.placeholder((rows, columns), float32, "x")
    k, n = te.reduce_axis(columns), te.reduce_axis(columns)
    m = te.compute((rows,), lambda i: te.max(x[i, k], axis=k), name="m")
    e = te.compute((rows, columns), lambda i, j: apply("exp2", x[i, j] - m[i]), name="e")
    s = te.compute((rows,), lambda i: te.sum(e[i, n], axis=n), name="s")
    o = te.compute((rows, columns), lambda i, j: e[i, j] / s[i], name="o")
    nests = [Nest((t,), t.op) for t in (m, e, s, o)]
    return default_schedule("softmax", nests, 1, [x], [o], machine).program


def _loops(program: Program) -> list[For]:
    return [s for s in walk(program.body) if isinstance(s, For)]


@pytest.mark.parametrize(
    ("rows", "columns", "machine", "together"),
    [
        (4096, 1024, Machine(), 2),  # which, and their results, are half of 32 KiB
        (4096, 256, Machine(), 8),
        (4096, 16, Machine(), 16),
        (4095, 512, Machine(), 3),  # blocks are alike
        (4093, 512, Machine(), 1),
        (4096, 4096, Machine(), 1),
        (4096, 1024, Machine(l1=64 << 10), 4),
        (8, 256, Machine(), 2),  # two blocks for each of two threads
    ],
)
def test_as_many_rows_as_fit(rows: int, columns: int, machine: Machine, together: int) -> None:
    outermost = _loops(_softmax(rows, columns, machine))[0]
    assert outermost.extent == rows // together


@pytest.mark.parametrize(("columns", "together"), [(1024, 1), (256, 4), (128, 8)])
def test_what_only_folds_takes_fewer_rows(columns: int, together: int) -> None:
    x = te.placeholder((512, columns), float32, "x")
    k, n = te.reduce_axis(columns), te.reduce_axis(columns)
    m = te.compute((512,), lambda i: te.sum(x[i, k], axis=k), name="m")
    s = te.compute((512,), lambda i: te.sum(x[i, n] * m[i], axis=n), name="s")
    nests = [Nest((t,), t.op) for t in (m, s)]
    program = default_schedule("folds", nests, 1, [x], [s], Machine()).program
    assert _loops(program)[0].extent == 512 // together


def test_processors_that_see_rows_coming_are_asked_by_what_has_time() -> None:
    far = Machine(looks_ahead=True, past_bytes=32 << 20)

    def hints(machine: Machine, columns: int) -> list[Any]:
        loops = _loops(_softmax(1 << 21 >> columns.bit_length(), columns, machine))
        return [hint for s in loops for hint in dict(s.annotations).get("prefetch", ())]

    assert hints(far, 1024) == [("e", "x", 32)]  # 8 KiB ahead, 256 bytes a step
    assert hints(far, 4096) == []  # there is no room for the next row


def _normal(x: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)


def _weights(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("function", [_normal, _weights, lambda x: x.var(axis=-1)])
@pytest.mark.parametrize("shape", [(96, 40), (3, 33, 300), (64, 1030), (2, 50, 1024)])
def test_rows_are_right(function: Any, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    got = mlc.jit(function)(x)
    np.testing.assert_allclose(got, function(x.astype(np.float64)), rtol=2e-5, atol=2e-6)
