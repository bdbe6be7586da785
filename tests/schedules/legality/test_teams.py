"""Which loops over threads fold one element together."""

from __future__ import annotations

import pytest

from mlc.dtypes import float32
from mlc.ir.combiner import Combiner, make_combiner, reducer
from mlc.ir.expr import Axis, Expr, Var, const, load
from mlc.ir.program import Accumulate, Block, Buffer, For, Iter, LoopKind, Stmt, Store
from mlc.schedules.legality.teams import is_team_fold

X, T = Buffer("X", (8, 64), float32), Buffer("T", (8,), float32)
I, K, R = Var("i"), Var("tx"), Var("r")
V, W = Axis("v", 8), Axis("w", 64, True)
READ = load(X, (I, K))
SUM = reducer("sum", float32)
LAST = make_combiner("last", lambda a, b: b, (0,), (float32,))


def threads(body: Stmt, var: Var = K, extent: int = 32, name: str = "threadIdx.x") -> For:
    return For(var, extent, body, LoopKind.BOUND, (("thread", name),))


def update(value: Expr = READ, combiner: Combiner = SUM) -> Stmt:
    return Accumulate(combiner, (T,), (I,), (value,))


def block(reduced: Expr, predicate: Expr | None = None, begins: bool = False) -> Stmt:
    fold = Accumulate(SUM, (T,), (V,), (load(X, (V, W)),))
    init = Store(T, (V,), const(0, float32)) if begins else None
    return Block("t", (Iter(V, I), Iter(W, reduced)), fold, init, predicate)


@pytest.mark.parametrize(
    "loop",
    [
        threads(update()),
        threads(For(R, 2, update(load(X, (I, K * 2 + R))))),
        threads(threads(update(), R, 2, "threadIdx.y")),
        threads(block(K * 1)),
        threads(block(K * 1, begins=True)),
        threads(For(R, 2, block(R * 32 + K, R * 32 + K < 50))),
        threads(block(K * 1, I < 5)),
    ],
)
def test_a_team(loop: For) -> None:
    assert is_team_fold(loop)


@pytest.mark.parametrize(
    "loop",
    [
        pytest.param(threads(update(), name="blockIdx.x"), id="blocks"),
        pytest.param(threads(update(), extent=1), id="one thread"),
        pytest.param(threads(Accumulate(SUM, (T,), (K,), (READ,))), id="moved"),
        pytest.param(threads(update(combiner=LAST)), id="the order counts"),
        pytest.param(threads(update(READ + load(T, (I,)))), id="reads its sum"),
        pytest.param(threads(threads(update(), R, 2)), id="one name for two loops"),
        pytest.param(threads(For(R, 2, block(K * 1, begins=True))), id="begins twice"),
        pytest.param(threads(block(K * 1, I * 8 + K < 50)), id="elements without threads"),
        pytest.param(threads(Store(T, (I,), READ)), id="no fold"),
    ],
)
def test_no_team(loop: For) -> None:
    assert not is_team_fold(loop)
