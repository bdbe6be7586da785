"""What the tests of steps share: running a program before and after, building blocks by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc.ir.expr import Axis, Expr, Var
from mlc.ir.forms import check_blocks
from mlc.ir.interpret import interpret
from mlc.ir.program import Block, For, Iter, Program, Stmt
from mlc.lower.pipeline import lower
from mlc.schedules.legality.exhaustive import Difference, same_meaning


def same_results(before: Program, after: Program, lowered: bool = True) -> None:
    """Both programs are well-formed and compute the same, before and after lowering."""
    check_blocks(after)
    assert not isinstance(same_meaning(before, after), Difference)
    rng = np.random.default_rng(0)
    first_output = len(before.params) - before.outputs
    inputs = []
    for buffer in before.params[:first_output]:
        values = rng.integers(-9, 9, buffer.shape)
        inputs.append(values.astype(buffer.dtype.numpy))
    made = [np.zeros(b.shape, b.dtype.numpy) for b in before.params[first_output:]]
    wanted = [array.copy() for array in made]
    interpret(before, *inputs, *wanted, check_uninitialised=True)
    for program in (after, lower(after)) if lowered else (after,):
        scratch = [
            np.zeros(b.shape, b.dtype.numpy)
            for b in program.params[first_output : len(program.params) - program.outputs]
        ]
        got = [array.copy() for array in made]
        interpret(program, *inputs, *scratch, *got, check_uninitialised=True)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def axes(kinds: str, *extents: int) -> list[Axis]:
    """Axes of a block by hand: "SSR" and their extents."""
    return [
        Axis(f"v{n}", extent, kind == "R")
        for n, (kind, extent) in enumerate(zip(kinds, extents, strict=True))
    ]


def bound(
    name: str, own: Sequence[Axis], bindings: Sequence[Expr], body: Stmt, **more: object
) -> Block:
    """A block by hand."""
    iters = tuple(Iter(axis, binding) for axis, binding in zip(own, bindings, strict=True))
    return Block(name, iters, body, **more)  # type: ignore[arg-type]


def loops(rows: Sequence[tuple[Var, int]], body: Stmt) -> Stmt:
    """``body`` in serial loops, outermost first."""
    for var, extent in reversed(rows):
        body = For(var, extent, body)
    return body
