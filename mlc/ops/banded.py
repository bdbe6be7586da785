"""Systems of equations with a few diagonals: Gauss's elimination with the greatest pivot of each
column, in rows that are as wide as the band gets by it (Golub, Van Loan, *Matrix Computations*,
section 4.3.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import int64
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.program import Buffer
from .attempts import note_failure, open_failures
from .broadcast import as_tensor
from .op import op
from .programs import Writer, nested

SINGULAR = "singular matrix"


@op
def banded_solution(ab: Any, b: Any, *, lower: int, upper: int, refusal: str) -> Any:
    """What solves ``a @ x = b``, for ``b`` of two axes, where ``ab[upper + i - j, j]`` is
    ``a[i, j]`` and all else is 0. Both are of one float dtype. Singular matrices end the call with
    LinAlgError and the sentence ``refusal``; if that is empty, the first element is NaN."""
    given, right = as_tensor(ab), as_tensor(b)
    n, many, width = given.shape[1], right.shape[1], 2 * lower + upper + 1
    dtype = given.dtype
    w = Writer("solve_banded")
    diagonals, source = w.input("ab", given.shape, dtype), w.input("b", right.shape, dtype)
    x = w.output("x", (n, many), dtype)
    guard = w.guard("LinAlgError", refusal) if refusal else None
    rows = w.memory("rows", (n, width), dtype)  # rows[i, j - i + lower] is a[i, j]
    with nested(w, (n, many), "c") as at:
        w.store(x, at, source[tuple(at)])
    with nested(w, (n, width), "r") as (i, c):
        j = i + c - lower
        is_there = (j >= 0) & (j < n) & (c <= lower + upper)
        row = apply("maximum", apply("minimum", upper + lower - c, const(lower + upper)), const(0))
        column = apply("maximum", apply("minimum", j, const(n - 1)), const(0))
        w.store(rows, (i, c), select(is_there, diagonals[row, column], const(0, dtype)))
    wrong = w.variable("wrong", const(False))
    with w.loop(n, "k") as k:
        _eliminate(w, rows, x, k, lower, wrong)
    with w.loop(n, "back") as step:
        k = const(n - 1) - step
        with w.loop(many, "m") as m:
            rest = w.variable("rest", x[k, m])
            with w.loop(lower + upper, "d") as d, w.when(k + d + 1 < n):
                w.set(rest, rest[()] - rows[k, d + (lower + 1)] * x[k + d + 1, m])
            w.store(x, (k, m), rest[()] / rows[k, lower])
    if guard is not None:
        w.insist(guard, ~wrong[()])
    else:
        with w.when(wrong[()]):
            w.store(x, (0, 0), const(float("nan"), dtype))
    return w.call(given, right)


def _eliminate(w: Writer, rows: Buffer, x: Buffer, k: Expr, lower: int, wrong: Buffer) -> None:
    """Make column ``k`` zero below the diagonal."""
    n, width = rows.shape
    many = x.shape[1]
    pivot = w.variable("pivot", cast(k, int64))
    greatest = w.variable("greatest", apply("abs", rows[k, lower]))
    with w.loop(lower, "p") as p, w.when(k + p + 1 < n):
        here = w.variable("here", apply("abs", rows[k + p + 1, const(lower - 1) - p]))
        with w.when(here[()] > greatest[()]):
            w.set(greatest, here[()])
            w.set(pivot, cast(k + p + 1, int64))
    with w.when(apply("eq", greatest[()], const(0, rows.dtype))):
        w.set(wrong, const(True))
    with w.when(pivot[()] > k):
        with w.loop(width - lower, "s") as s:
            there = s + lower - (pivot[()] - k)
            kept = w.variable("kept", rows[k, s + lower])
            w.store(rows, (k, s + lower), rows[pivot[()], there])
            w.store(rows, (pivot[()], there), kept[()])
        with w.loop(many, "t") as t:
            old = w.variable("old", x[k, t])
            w.store(x, (k, t), x[pivot[()], t])
            w.store(x, (pivot[()], t), old[()])
    with w.loop(lower, "e") as e, w.when(k + e + 1 < n):
        i = k + e + 1
        factor = w.variable("factor", rows[i, const(lower - 1) - e] / rows[k, lower])
        with w.loop(width - lower - 1, "u") as u:
            at = u + lower - e
            w.store(rows, (i, at), rows[i, at] - factor[()] * rows[k, u + (lower + 1)])
        with w.loop(many, "v") as v:
            w.store(x, (i, v), x[i, v] - factor[()] * x[k, v])


def solve_banded(ab: Any, b: Any, lower: int, upper: int) -> Any:
    """`banded_solution`; where failures are looked at, what it would refuse is noted instead."""
    is_noted = open_failures(np.linalg.LinAlgError) is not None
    found = banded_solution(ab, b, lower=lower, upper=upper, refusal="" if is_noted else SINGULAR)
    if is_noted:
        note_failure([ab, b], found, 2, SINGULAR)
    return found
