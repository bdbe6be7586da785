"""Random tilings: what blockize and tensorize accept means what it did before."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import ScheduleError
from mlc import script as T
from mlc.ir.expr import Var
from mlc.ir.intrinsic import Intrinsic, register
from mlc.ir.program import Accumulate, Block, Buffer, For, Program, Stmt, blocks_of, walk
from mlc.ir.rewrite import substitute
from mlc.schedules.schedule import Schedule
from tests.schedules.programs import same_results

COUNT = {"accepted": 0, "refused": 0}


def product(m: int, n: int, k: int, with_init: bool) -> Program:
    @T.program
    def mm(A: T.Buffer((m, k)), B: T.Buffer((k, n)), C: T.Buffer((m, n))):
        if not with_init:
            for i, j in T.grid(m, n):
                with T.block("zero"):
                    vi, vj = T.remap("SS", [i, j])
                    C[vi, vj] = 0.0
        for i, j, l in T.grid(m, n, k):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, l])
                if with_init:
                    with T.init():
                        C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    return mm


def tile(m: int, n: int, k: int) -> Intrinsic:
    """The product of these extents as an intrinsic, its loops in one fixed order."""
    params = [Buffer(x, s, mlc.dtypes.float32) for x, s in zip("ABC", ((m, k), (k, n), (m, n)))]
    from mlc.ir.combiner import reducer

    a, b, c = params
    i, j, l = Var("i"), Var("j"), Var("l")
    body: Stmt = Accumulate(reducer("sum", a.dtype), (c,), (i, j), (a[i, l] * b[l, j],))
    for var, extent in ((i, m), (l, k), (j, n)):
        body = For(var, extent, body)
    name = f"tr_{m}_{n}_{k}"
    return register(Intrinsic(name, Program(name, (a, b, c), body)))


def attempt(s: Schedule, step: object) -> object:
    try:
        made = step()  # type: ignore[operator]
    except ScheduleError:
        COUNT["refused"] += 1
        return None
    COUNT["accepted"] += 1
    return made


@settings(max_examples=60, deadline=None)
@given(st.data())
def try_tilings(data: st.DataObject) -> None:
    m, n, k = (data.draw(st.sampled_from([1, 4, 6, 7, 8])) for _ in range(3))
    before = product(m, n, k, data.draw(st.booleans()))
    s = mlc.Schedule(before)
    for loop in s.loops("C"):
        if data.draw(st.booleans()):
            s.split(loop, [None, data.draw(st.integers(1, 4))])
    loops = list(s.loops("C"))
    s.reorder(*data.draw(st.permutations(loops)))
    loops = list(s.loops("C"))
    if data.draw(st.booleans()) and len(loops) > 3:
        attempt(s, lambda: s.fuse(loops[0], loops[1]))
    border = data.draw(st.sampled_from(list(s.loops("C"))))
    outer = attempt(s, lambda: s.blockize(border))
    if outer is not None:
        same_results(before, s.program)
        reduced = [v for v in s.loops(outer) if feeds_reduce(s, outer, v)]
        if reduced and s.block(outer).init is not None:
            attempt(s, lambda: s.decompose_reduction(outer, reduced[0]))
        extents = [dict(zip("mnk", sizes_of(s, outer)))[x] for x in "mnk"]
        intrinsic = tile(*extents)
        attempt(s, lambda: s.tensorize(outer, intrinsic.name))
    same_results(before, s.program)


def feeds_reduce(s: Schedule, name: str, loop: Var) -> bool:
    from mlc.ir.rewrite import variables_of

    return any(
        it.axis.is_reduce and any(v is loop for v in variables_of(it.binding))
        for it in s.block(name).iters
    )


def sizes_of(s: Schedule, name: str) -> list[int]:
    """How much of each axis of block C one point of the outer block covers."""
    inner = next(b for b in blocks_of(s.block(name).body) if b.name == "C")
    loops = {f.var: f.extent for f in walk(s.block(name).body) if isinstance(f, For)}
    sizes = []
    for it in inner.iters:
        from mlc.ir.bounds import interval

        zero = substitute(it.binding, {a: mlc.ir.expr.const(0) for a in axes_of(s.block(name))})
        low, high = interval(zero, loops)
        assert not math.isinf(high)
        sizes.append(int(high - low) + 1)
    return sizes


def axes_of(block: Block) -> list[Var]:
    return [it.axis for it in block.iters]


def test_random_tilings() -> None:
    """It would mean little if all were refused, or nothing."""
    try_tilings()
    assert COUNT["accepted"] > 40
    assert COUNT["refused"] > 10


def test_a_packed_operand_of_four_dimensions() -> None:
    """Panels in memory: dimensions of one element wherever they stand."""
    intrinsic = tile(4, 8, 2)

    @T.program
    def packed(A: T.Buffer((3, 5, 4, 2)), B: T.Buffer((5, 2, 2, 8)), C: T.Buffer((12, 16))):
        for i, j in T.grid(12, 16):
            with T.block("zero"):
                vi, vj = T.remap("SS", [i, j])
                C[vi, vj] = 0.0
        for i0, j0, k0, j1, k1, i1 in T.grid(3, 2, 5, 8, 2, 4):
            with T.block("C"):
                vi = T.axis.spatial(12, i0 * 4 + i1)
                vj = T.axis.spatial(16, j0 * 8 + j1)
                vk = T.axis.reduce(10, k0 * 2 + k1)
                C[vi, vj] += (
                    A[vi // 4, vk // 2, vi % 4, vk % 2] * B[vk // 2, vk % 2, vj // 8, vj % 8]
                )

    s = mlc.Schedule(packed)
    s.tensorize(s.loops("C")[3], intrinsic.name)
    same_results(packed, s.program)
    rng = np.random.default_rng(0)
    a = rng.integers(-9, 9, (3, 5, 4, 2)).astype("float32")
    b = rng.integers(-9, 9, (5, 2, 2, 8)).astype("float32")
    c = np.zeros((12, 16), "float32")
    mlc.build(s)(a, b, c)
    rows = a.transpose(0, 2, 1, 3).reshape(12, 10)
    np.testing.assert_array_equal(c, rows @ b.transpose(0, 1, 2, 3).reshape(10, 16))
