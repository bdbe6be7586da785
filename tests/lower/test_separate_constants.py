"""What is done ahead reads constants alone and is nobody else's; all else stays in the call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mlc.dtypes import float32
from mlc.ir.expr import Var, const
from mlc.ir.interpret import interpret
from mlc.ir.program import Allocate, Buffer, Evaluate, For, Program, Scope, Stmt, Store, seq
from mlc.lower.separate_constants import separate_constants

N = 8
A, V, W, C = (Buffer(name, (N,), float32) for name in "AVWC")
D = Buffer("D", (N,), float32)
P = Buffer("P", (N,), float32, scope=Scope.GLOBAL)
WIDE = Buffer("P", (N,), float32, strides=(2,), scope=Scope.GLOBAL)

NEAR = Buffer("P", (N,), float32, scope=Scope.STACK)


def each(body: Callable[[Var], Stmt]) -> Stmt:
    i = Var("i")
    return For(i, N, body(i))


def packed(into: Buffer = P) -> Stmt:
    return each(lambda i: Store(into, (i,), W[const(N - 1) - i] * 2))


def used(packed: Buffer = P, into: Buffer = C) -> Stmt:
    return each(lambda i: Store(into, (i,), A[i] + packed[i]))


def program(*parts: Stmt, held: Buffer = P, outputs: tuple[Buffer, ...] = (C,)) -> Program:
    return Program("f", (A, V, W, *outputs), Allocate((held,), seq(*parts)), len(outputs))


def test_what_constants_alone_decide_is_done_ahead() -> None:
    whole = program(packed(), used())
    found = separate_constants(whole, (W,))
    assert found is not None
    assert found.kept == (P,)
    assert found.ahead.params == (W, P)
    assert found.main.params == (A, V, W, P, C)
    a, w, want = np.arange(N, dtype="f4"), np.arange(1, N + 1, dtype="f4"), np.zeros(N, "f4")
    interpret(whole, a, w, w, want)
    unread = np.full(N, np.nan, "f4")
    kept, got = np.zeros(N, "f4"), np.zeros(N, "f4")
    interpret(found.ahead, w, kept)
    interpret(found.main, a, unread, unread, kept, got)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "stays",
    [
        pytest.param(program(each(lambda i: Store(P, (i,), A[i])), used()), id="reads an argument"),
        pytest.param(
            program(packed(), used(), each(lambda i: Store(P, (i,), A[i])), used(into=C)),
            id="is written again",
        ),
        pytest.param(
            program(packed(D), used(D), outputs=(C, D)),
            id="is a result",
        ),
        pytest.param(program(packed(WIDE), used(WIDE), held=WIDE), id="lies in steps"),
        pytest.param(program(packed(NEAR), used(NEAR), held=NEAR), id="lies on the stack"),
        pytest.param(
            program(each(lambda i: Store(P, (i,), const(1.0))), used()), id="reads nothing"
        ),
        pytest.param(
            program(
                each(lambda i: seq(Store(P, (i,), W[i]), Evaluate("log", (A,)))),
                used(),
            ),
            id="calls what may touch anything",
        ),
        pytest.param(
            program(each(lambda i: seq(Store(P, (i,), W[i]), Store(D, (i,), A[i]))), used(),
                    outputs=(C, D)),
            id="does something else besides",
        ),
        pytest.param(
            program(each(lambda i: Store(V, (i,), W[i])), used(V), ), id="changes a constant"
        ),
    ],
)  # fmt: skip
def test_what_stays(stays: Program) -> None:
    assert separate_constants(stays, (V, W)) is None
