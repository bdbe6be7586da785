"""Programs for the simulator, built from nodes: small, and each broken in one way on request."""

from __future__ import annotations

from mlc.dtypes import float32
from mlc.ir.combiner import reducer
from mlc.ir.expr import Axis, Expr, Var, const
from mlc.ir.program import (
    Accumulate,
    Allocate,
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
    where: Expr | None = None,
) -> Block:
    """A block whose axes are bound as ``points`` says."""
    return Block(name, tuple(Iter(*point) for point in points.items()), body, init, where)


def copy(n: int, kind: LoopKind, target: object, source: object) -> Program:
    """``for i: B[target(i)] = A[source(i)]`` over ``n`` iterations."""
    A, B, i = buffer("A", n), buffer("B", n), Var("i")
    body = Store(B, (target(i),), A[source(i)])  # type: ignore[operator]
    return Program("copy", (A, B), For(i, n, body, kind))


def in_place(n: int, kind: LoopKind, *stores: tuple[object, object]) -> Program:
    """``for i: X[target(i)] = X[source(i)] + 1`` for each pair; X comes in and goes out."""
    X, i = buffer("X", n + 1), Var("i")
    body = seq(*(Store(X, (t(i),), X[s(i)] + const(1, float32)) for t, s in stores))  # type: ignore[operator]
    return Program("shift", (X,), For(i, n, body, kind))


def vector_sum(n: int, kind: LoopKind, tag: str = "") -> Program:
    """The sum of ``n`` numbers into one element, over a loop of the given kind."""
    A, B, i, vi = buffer("A", n), buffer("B", 1), Var("i"), Axis("vi", n, True)
    at = (const(0),)
    inner = block("total", {vi: i}, Accumulate(SUM, (B,), at, (A[vi],)))
    notes = (("thread", tag),) if tag else ()
    body = seq(block("start", {}, Store(B, at, ZERO)), For(i, n, inner, kind, notes))
    return Program("vector_sum", (A, B), body)


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


def window_sum(style: str, barrier: bool = True, threads: int = 8, blocks: int = 4) -> Program:
    """``B[i] = A[i] + A[i + 1] + A[i + 2]`` by way of a tile that the threads fetch together.

    ``style``: "one loop" fetches and computes in one thread loop, with a barrier in between;
    "siblings" has two thread loops; "again" binds an inner loop to the thread of the outer one.
    """
    n, width = threads * blocks, threads + 2
    A, B, S = buffer("A", n + 2), buffer("B", n), buffer("S", width, scope="shared")
    bx, tx, t2, r = Var("bx"), Var("tx"), Var("t2"), Var("r")
    v, vb, vi = Axis("v", width), Axis("vb", blocks), Axis("vi", n)

    def fetch(thread: Var) -> Stmt:
        rest = r * threads + thread
        return block("fetch", {v: rest, vb: bx}, Store(S, (v,), A[vb * threads + v]),
                     where=rest < width)  # fmt: skip

    va = Axis("va", blocks)
    local = vi - va * threads
    window = S[local] + S[local + 1] + S[local + 2]
    compute = block("window", {vi: bx * threads + tx, va: bx}, Store(B, (vi,), window))
    fence = (BARRIER,) if barrier else ()
    if style == "one loop":
        body: Stmt = bound(tx, threads, seq(For(r, 2, fetch(tx)), *fence, compute))
    elif style == "siblings":
        first = bound(t2, threads, For(r, 2, fetch(t2)))
        body = seq(first, *fence, bound(tx, threads, compute))
    else:
        again = For(r, 2, bound(t2, threads, fetch(t2)))
        body = bound(tx, threads, seq(again, *fence, compute))
    return Program("window_sum", (A, B), bound(bx, blocks, Allocate((S,), body), "blockIdx.x"))


def tiled_matmul(n: int, tile: int, barriers: tuple[bool, bool] = (True, True)) -> Program:
    """``C = A @ B``: each block of the grid makes one tile of C, each thread one element of it, and
    the tiles of A and B go through shared memory. ``barriers``: after the fetch, after the use."""
    A, B, C = (buffer(name, n, n) for name in "ABC")
    SA, SB = buffer("SA", tile, tile, scope="shared"), buffer("SB", tile, tile, scope="shared")
    acc = buffer("acc", 1, scope="local")
    by, bx, ty, tx, ko, ki = (Var(name) for name in ("by", "bx", "ty", "tx", "ko", "ki"))
    row, column = by * tile + ty, bx * tile + tx
    zero = (const(0),)

    def point(name: str, body: object, *values: Expr) -> Stmt:
        axes = [Axis(f"v{d}", n) for d in range(len(values))]
        return block(name, dict(zip(axes, values)), body(*axes))  # type: ignore[operator]

    near, far = ko * tile + tx, ko * tile + ty
    fetch = seq(
        point("fetch A", lambda y, x, i, k: Store(SA, (y, x), A[i, k]), ty, tx, row, near),
        point("fetch B", lambda y, x, k, j: Store(SB, (y, x), B[k, j]), ty, tx, far, column),
    )
    use = point(
        "use",
        lambda y, x, k: Accumulate(SUM, (acc,), zero, (SA[y, k] * SB[k, x],)),
        ty, tx, ki,
    )  # fmt: skip
    fences = [(BARRIER,) if wanted else () for wanted in barriers]
    steps = seq(fetch, *fences[0], For(ki, tile, use), *fences[1])
    body = seq(
        point("start", lambda: Store(acc, zero, ZERO)),
        For(ko, n // tile, steps),
        point("write", lambda i, j: Store(C, (i, j), acc[zero]), row, column),
    )
    threads = bound(ty, tile, bound(tx, tile, Allocate((acc,), body)), "threadIdx.y")
    grid = bound(bx, n // tile, Allocate((SA, SB), threads), "blockIdx.x")
    return Program("matmul", (A, B, C), bound(by, n // tile, grid, "blockIdx.y"))
