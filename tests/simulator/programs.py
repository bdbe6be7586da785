"""Programs for the simulator: small, and some of them broken on request."""

from __future__ import annotations

from typing import Any

from mlc import script as T
from mlc.dtypes import float32
from mlc.ir.combiner import reducer
from mlc.ir.expr import Axis, Expr, Var, const
from mlc.ir.program import (
    Accumulate,
    Block,
    Buffer,
    Evaluate,
    For,
    Iter,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
)

SERIAL, PARALLEL, VECTORIZED = LoopKind.SERIAL, LoopKind.PARALLEL, LoopKind.VECTORIZED
BARRIER = Evaluate("barrier", ())
SUM = reducer("sum", float32)
ZERO = const(0, float32)


def buffer(name: str, *shape: int, scope: str = "global") -> Buffer:
    """A float32 buffer."""
    return Buffer(name, shape, float32, scope=Scope(scope))


def bound(var: Var, extent: int, body: Stmt, thread: str = "threadIdx.x") -> For:
    """A loop on threads or on blocks of the grid."""
    return For(var, extent, body, LoopKind.BOUND, (("thread", thread),))


def block(
    name: str,
    points: dict[Axis, Expr],
    body: Stmt,
    init: Stmt | None = None,
) -> Block:
    """A block whose axes are bound as ``points`` says."""
    return Block(name, tuple(Iter(*point) for point in points.items()), body, init)


def unproven(name: str, params: tuple[Buffer, ...], body: Stmt) -> Program:
    """A program whose last parameter is written, marked as legal on the writer's word alone."""
    return Program(name, params, body, attrs={"unsafe": ("written for the simulator",)})


def copy(n: int, kind: LoopKind, target: object, source: object) -> Program:
    """``for i: B[target(i)] = A[source(i)]`` over ``n`` iterations."""
    A, B, i = buffer("A", n), buffer("B", n), Var("i")
    body = Store(B, (target(i),), A[source(i)])  # type: ignore[operator]
    return unproven("copy", (A, B), For(i, n, body, kind))


def in_place(n: int, kind: LoopKind, *stores: tuple[object, object]) -> Program:
    """``for i: X[target(i)] = X[source(i)] + 1`` for each pair; X comes in and goes out."""
    X, i = buffer("X", n + 1), Var("i")
    body = seq(*(Store(X, (t(i),), X[s(i)] + const(1, float32)) for t, s in stores))  # type: ignore[operator]
    return unproven("shift", (X,), For(i, n, body, kind))


def vector_sum(n: int, kind: LoopKind, tag: str = "") -> Program:
    """The sum of ``n`` numbers into one element, over a loop of the given kind."""
    A, B, i, vi = buffer("A", n), buffer("B", 1), Var("i"), Axis("vi", n, True)
    at = (const(0),)
    inner = block("total", {vi: i}, Accumulate(SUM, (B,), at, (A[vi],)))
    notes = (("thread", tag),) if tag else ()
    body = seq(block("start", {}, Store(B, at, ZERO)), For(i, n, inner, kind, notes))
    return unproven("vector_sum", (A, B), body)


def matmul(n: int, kinds: dict[str, LoopKind]) -> Program:
    """``C = A @ B`` with the loops ``kinds``, outermost first."""
    A, B, C = (buffer(name, n, n) for name in "ABC")
    loops = {name: Var(name) for name in kinds}
    vi, vj, vk = Axis("vi", n), Axis("vj", n), Axis("vk", n, True)
    update = Accumulate(SUM, (C,), (vi, vj), (A[vi, vk] * B[vk, vj],))
    stmt: Stmt = block(
        "C", dict(zip((vi, vj, vk), (loops[x] for x in "ijk"))), update, Store(C, (vi, vj), ZERO)
    )
    for name in reversed(kinds):
        stmt = For(loops[name], n, stmt, kinds[name])
    return Program("matmul", (A, B, C), stmt)


def window_sum(style: str, barrier: bool = True) -> Program:
    """``B[i] = A[i] + A[i + 1] + A[i + 2]`` by way of a tile that the threads fetch together.

    ``style``: "one loop" fetches and computes in one thread loop, with a barrier in between;
    "siblings" has two thread loops; "again" binds an inner loop to the thread of the outer one.
    """

    @T.program
    def window(A: T.Buffer((34,)), B: T.Buffer((32,))) -> None:
        def fetch(rest: Any, bx: Any) -> None:
            with T.block("fetch"):
                v = T.axis.spatial(10, rest)
                vb = T.axis.spatial(4, bx)
                T.where(rest < 10)
                S[v] = A[vb * 8 + v]

        def compute(bx: Any, tx: Any) -> None:
            with T.block("window"):
                vb, vt = T.remap("SS", [bx, tx])
                B[vb * 8 + vt] = S[vt] + S[vt + 1] + S[vt + 2]

        def fence() -> None:
            if barrier:
                T.barrier()

        for bx in T.thread_binding(4, "blockIdx.x"):
            S = T.alloc((10,), "float32", scope="shared")
            if style == "siblings":
                for t2 in T.thread_binding(8, "threadIdx.x"):
                    for r in T.serial(2):
                        fetch(r * 8 + t2, bx)
                fence()
                for tx in T.thread_binding(8, "threadIdx.x"):
                    compute(bx, tx)
            else:
                for tx in T.thread_binding(8, "threadIdx.x"):
                    for r in T.serial(2):
                        if style == "one loop":
                            fetch(r * 8 + tx, bx)
                        else:
                            for t2 in T.thread_binding(8, "threadIdx.x"):
                                fetch(r * 8 + t2, bx)
                    fence()
                    compute(bx, tx)

    return window


def tiled_matmul(after_fetch: bool = True, after_use: bool = True) -> Program:
    """``C = A @ B`` (8 x 8): each block of the grid makes one tile of C, each thread one element of
    it, and the tiles of A and B go through shared memory, with barriers after fetch and use."""

    @T.program
    def matmul(A: T.Buffer((8, 8)), B: T.Buffer((8, 8)), C: T.Buffer((8, 8))) -> None:
        for by in T.thread_binding(2, "blockIdx.y"):
            for bx in T.thread_binding(2, "blockIdx.x"):
                for ty in T.thread_binding(4, "threadIdx.y"):
                    for tx in T.thread_binding(4, "threadIdx.x"):
                        acc = T.alloc((1,), "float32", scope="local")
                        with T.block("start"):
                            acc[0] = 0.0
                        for ko in T.serial(2):
                            SA = T.alloc((4, 4), "float32", scope="shared")
                            SB = T.alloc((4, 4), "float32", scope="shared")
                            with T.block("fetch A"):
                                vy, vx, i, k = T.remap("SSSS", [ty, tx, by, ko])
                                SA[vy, vx] = A[i * 4 + vy, k * 4 + vx]
                            with T.block("fetch B"):
                                vy, vx, j, k = T.remap("SSSS", [ty, tx, bx, ko])
                                SB[vy, vx] = B[k * 4 + vy, j * 4 + vx]
                            if after_fetch:
                                T.barrier()
                            for ki in T.serial(4):
                                with T.block("use"):
                                    vy, vx, vk = T.remap("SSR", [ty, tx, ki])
                                    acc[0] += SA[vy, vk] * SB[vk, vx]
                            if after_use:
                                T.barrier()
                        with T.block("write"):
                            i, j, vy, vx = T.remap("SSSS", [by, bx, ty, tx])
                            C[i * 4 + vy, j * 4 + vx] = acc[0]

    return matmul
