"""Programs for the tests of steps on data, and what it means that two of them are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import mlc.te as te
from mlc.dtypes import float32
from mlc.ir.expr import Axis, Var
from mlc.ir.forms import check_blocks
from mlc.ir.interpret import interpret
from mlc.ir.program import Block, Buffer, For, Iter, Program, Stmt
from mlc.schedules.legality.exhaustive import Same, TooLarge, same_meaning
from mlc.te.program import Nest, create_program


def nest(name: str, extents: Sequence[int], body: Callable[..., Stmt]) -> Stmt:
    """A block over spatial axes in loops of its own."""
    axes = [Axis(f"v{d}", n) for d, n in enumerate(extents)]
    loops = [Var(f"i{d}") for d in range(len(extents))]
    iters = tuple(Iter(a, v) for a, v in zip(axes, loops, strict=True))
    out: Stmt = Block(name, iters, body(*axes))
    for var, extent in zip(reversed(loops), reversed(extents), strict=True):
        out = For(var, extent, out)
    return out


def buffers(*shapes: tuple[str, tuple[int, ...]]) -> list[Buffer]:
    return [Buffer(name, shape, float32) for name, shape in shapes]


def program_of(*outputs: Any, inputs: Sequence[te.Tensor]) -> Program:
    """Each tensor in a nest of its own; the last one is the output."""
    nests = [Nest((t,), t.op) for t in outputs]
    return create_program("f", nests, list(inputs), [outputs[-1]])


def matmul(m: int = 5, n: int = 6, k: int = 4, dtype: str = "float32") -> Program:
    a, b = te.placeholder((m, k), dtype, name="A"), te.placeholder((k, n), dtype, name="B")
    r = te.reduce_axis(k, "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return program_of(c, inputs=[a, b])


def matmul_relu() -> Program:
    a, b = te.placeholder((6, 4), name="A"), te.placeholder((4, 8), name="B")
    r = te.reduce_axis(4, "k")
    y = te.compute((6, 8), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="Y")
    c = te.compute((6, 8), lambda i, j: te.maximum(y[i, j], 0.0), name="C")
    return program_of(y, c, inputs=[a, b])


def stencil() -> Program:
    a = te.placeholder((10,), name="A")
    b = te.compute((10,), lambda i: a[i] * 2.0, name="B")
    c = te.compute((8,), lambda i: b[i] + b[i + 1] + b[i + 2], name="C")
    return program_of(b, c, inputs=[a])


def padded_convolution() -> Program:
    x, w = te.placeholder((2, 6), name="X"), te.placeholder((3, 2, 3), name="W")
    ci, r = te.reduce_axis(2, "ci"), te.reduce_axis(3, "r")
    p = te.compute(
        (2, 8),
        lambda c, i: te.select((i >= 1) & (i < 7), x[c, i - 1], 0.0),
        name="P",
    )
    y = te.compute((3, 6), lambda o, i: te.sum(p[ci, i + r] * w[o, ci, r], axis=(ci, r)), name="Y")
    return program_of(p, y, inputs=[x, w])


def transposition() -> Program:
    x = te.placeholder((4, 6), name="X")
    t = te.compute((6, 4), lambda i, j: x[j, i], name="T")
    y = te.compute((6, 4), lambda i, j: t[i, j] + x[j, i], name="Y")
    return program_of(t, y, inputs=[x])


PROGRAMS: dict[str, Callable[[], Program]] = {
    "matmul": matmul,
    "matmul_relu": matmul_relu,
    "stencil": stencil,
    "padded_convolution": padded_convolution,
    "transposition": transposition,
}


def arrays_for(program: Program, seed: int = 0) -> list[np.ndarray]:
    """Small whole numbers, so that every order of summation gives the same."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, b.shape).astype(b.dtype.numpy) for b in program.params]


def assert_same(before: Program, after: Program, defined: bool = True) -> None:
    """Both are in block form and compute the same outputs; with ``defined``, the new one reads
    nothing that was not written."""
    check_blocks(after)
    given = arrays_for(before)
    expected, got = [a.copy() for a in given], [a.copy() for a in given]
    interpret(before, *expected)
    interpret(after, *got, check_uninitialised=defined)
    for buffer, one, two in zip(before.params, expected, got, strict=True):
        assert np.array_equal(one, two), f"{buffer.name} differs\n{after}"
    found = same_meaning(before, after)
    assert isinstance(found, (Same, TooLarge)), f"{found}\n{after}"
