"""The simulator against brute force: it finds a conflict just where there is one."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc.ir.expr import Expr, Var, const
from mlc.ir.program import Accumulate, Allocate, Evaluate, For, If, LoopKind, Program, Store, seq
from tests.simulator.programs import SUM, buffer, unproven

SIZE, ROUNDS = 12, 2


class Step(NamedTuple):
    """``if i < limit: X[write] = X[read] + 1``, each place ``(a * i + b * r + c) % SIZE`` for the
    concurrent index ``i`` and the round ``r``; ``folds`` makes it ``X[write] += X[read]``."""

    write: tuple[int, int, int]
    read: tuple[int, int, int]
    limit: int
    folds: bool
    barrier: bool  # after the step

    def place(self, which: tuple[int, int, int], i: Any, r: Any) -> Any:
        a, b, c = which
        return (i * a + r * b + c) % SIZE


maps = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 6))
steps = st.lists(
    st.builds(Step, maps, maps, st.integers(1, 4), st.booleans(), st.booleans()),
    min_size=1,
    max_size=3,
)


def program_of(chosen: list[Step], kind: LoopKind, extent: int, barriers: bool = False) -> Program:
    X, i, r = buffer("X", SIZE), Var("i"), Var("r")
    body: list[Any] = []
    for step in chosen:
        at: tuple[Expr, ...] = (step.place(step.write, i, r),)
        value = X[step.place(step.read, i, r)]
        update: Any = Store(X, at, value + const(1, "float32"))
        if step.folds:
            update = Accumulate(SUM, (X,), at, (value,))
        body.append(If(i < step.limit, update) if step.limit < extent else update)
        if barriers and step.barrier:
            body.append(Evaluate("barrier", ()))
    notes = (("thread", "threadIdx.x"),) if kind is LoopKind.BOUND else ()
    return unproven("p", (X,), For(i, extent, For(r, ROUNDS, seq(*body)), kind, notes))


def accesses(chosen: list[Step], extent: int, barriers: bool) -> Any:
    """(iteration, phase, element, writes) for everything that happens."""
    for i in range(extent):
        phase = 0
        for r in range(ROUNDS):
            for step in chosen:
                if i < step.limit or step.limit >= extent:
                    yield i, phase, step.place(step.read, i, r), False
                    yield i, phase, step.place(step.write, i, r), True
                phase += barriers and step.barrier


def kinds_of_findings(program: Program, **options: Any) -> set[str]:
    x = np.arange(SIZE, dtype="float32")
    report = mlc.simulate(program, x, in_out="X", raise_on_findings=False, **options)
    return {finding.kind for finding in report.findings}


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("kind", [LoopKind.PARALLEL, LoopKind.BOUND], ids=["parallel", "threads"])
@settings(max_examples=60)
@given(chosen=steps, extent=st.integers(2, 4))
def test_races(kind: LoopKind, implicit: bool, chosen: list[Step], extent: int) -> None:
    barriers = kind is LoopKind.BOUND
    pairs = itertools.combinations(accesses(chosen, extent, barriers), 2)
    races = any(a[0] != b[0] and a[1] == b[1] and a[2] == b[2] and (a[3] or b[3]) for a, b in pairs)
    program = program_of(chosen, kind, extent, barriers)
    found = kinds_of_findings(program, implicit_barriers=implicit)
    assert ("race" in found) == races, program.script()
    assert found <= {"race", "order"}
    assert races or not found


@settings(max_examples=150)
@given(chosen=steps, extent=st.integers(2, 4))
def test_lanes_without_findings_compute_what_the_serial_loop_does(
    chosen: list[Step], extent: int
) -> None:
    program = program_of(chosen, LoopKind.VECTORIZED, extent)
    assert kinds_of_findings(program) <= {"lanes"}, program.script()


@settings(max_examples=60)
@given(chosen=steps, extent=st.integers(2, 4), data=st.data())
def test_local_memory(chosen: list[Step], extent: int, data: Any) -> None:
    """What a thread reads of local memory is what it wrote itself, or there is a finding."""
    A, B, own = buffer("A", SIZE), buffer("B", SIZE), buffer("own", SIZE, scope="local")
    t, u = Var("t"), Var("u")
    write, read = chosen[0].write, data.draw(maps)
    threads = (("thread", "threadIdx.x"),)
    place = chosen[0].place
    fill = For(t, extent, Store(own, (place(write, t, 0),), A[t]), LoopKind.BOUND, threads)
    take = For(u, extent, Store(B, (u,), own[place(read, u, 0)]), LoopKind.BOUND, threads)
    program = unproven("p", (A, B), Allocate((own,), seq(fill, take)))
    a, b = np.arange(SIZE, dtype="float32"), np.zeros(SIZE, "float32")
    report = mlc.simulate(program, a, b, raise_on_findings=False)
    last = {place(write, i, 0): i for i in range(extent)}  # who wrote an element last
    wrong = any(last.get(place(read, i, 0)) != i for i in range(extent))
    found = {finding.kind for finding in report.findings}
    assert bool(found) == wrong
    assert found <= {"scope", "uninitialised"}


class Nest(NamedTuple):
    """``for ty, tx: steps`` on threads, ``tx`` outside if ``swapped``; then perhaps a barrier."""

    steps: list[Step]
    swapped: bool
    barrier: bool


nests = st.lists(
    st.builds(Nest, steps, st.booleans(), st.booleans()), min_size=1, max_size=2
)  # fmt: skip
ROWS, COLUMNS = 2, 3


def threads_of(chosen: list[Nest]) -> Program:
    """The nests one after the other under one block of the grid; thread (ty, tx) is number
    ``ty * COLUMNS + tx`` in the places of the steps."""
    X = buffer("X", SIZE)
    parts: list[Any] = []
    for nest in chosen:
        ty, tx, r = Var("ty"), Var("tx"), Var("r")
        number = ty * COLUMNS + tx
        body: list[Any] = []
        for step in nest.steps:
            at: tuple[Expr, ...] = (step.place(step.write, number, r),)
            update = Store(X, at, X[step.place(step.read, number, r)])
            body.append(If(number < step.limit, update))
            body += [Evaluate("barrier", ())] if step.barrier else []
        inner = For(r, ROUNDS, seq(*body))
        loops = [(ty, ROWS, "threadIdx.y"), (tx, COLUMNS, "threadIdx.x")]
        for var, extent, tag in loops if nest.swapped else reversed(loops):
            inner = For(var, extent, inner, LoopKind.BOUND, (("thread", tag),))
        parts += [inner, Evaluate("barrier", ())] if nest.barrier else [inner]
    b = Var("b")
    return unproven("p", (X,), For(b, 1, seq(*parts), LoopKind.BOUND, (("thread", "blockIdx.x"),)))


@pytest.mark.parametrize("implicit", [True, False])
@settings(max_examples=80)
@given(chosen=nests)
def test_races_of_two_dimensional_blocks(implicit: bool, chosen: list[Nest]) -> None:
    happened = []
    for thread in range(ROWS * COLUMNS):
        phase = 0
        for nest in chosen:
            for r in range(ROUNDS):
                for step in nest.steps:
                    if thread < step.limit:
                        happened.append((thread, phase, step.place(step.read, thread, r), False))
                        happened.append((thread, phase, step.place(step.write, thread, r), True))
                    phase += step.barrier
            phase += nest.barrier or implicit
    races = any(
        a[0] != b[0] and a[1] == b[1] and a[2] == b[2] and (a[3] or b[3])
        for a, b in itertools.combinations(happened, 2)
    )
    program = threads_of(chosen)
    found = kinds_of_findings(program, implicit_barriers=implicit)
    assert ("race" in found) == races, program.script()
    assert races or not found
