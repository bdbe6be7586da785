"""Programs that go wrong on hardware, each in one way."""

from __future__ import annotations

from mlc.ir.expr import Axis, Var, const
from mlc.ir.program import Allocate, Evaluate, For, If, LoopKind, Program, Store, seq
from tests.simulator.programs import BARRIER, ZERO, block, bound, buffer, unproven


def past_the_end() -> Program:
    A, B, i, j = buffer("A", 128), buffer("B", 8, 16), Var("i"), Var("j")
    body = Store(B, (i, j), A[i * 16 + j + 13])
    return unproven("p", (A, B), For(i, 8, For(j, 16, body)))


def before_the_start() -> Program:
    A, B, i, vi = buffer("A", 8), buffer("B", 8), Var("i"), Axis("vi", 8)
    return unproven("p", (A, B), For(i, 8, block("shift", {vi: i}, Store(B, (vi - 1,), A[vi]))))


def binding_outside_its_axis() -> Program:
    A, B, i, vi = buffer("A", 8), buffer("B", 8), Var("i"), Axis("vi", 8)
    return unproven("p", (A, B), For(i, 9, block("copy", {vi: i}, Store(B, (vi,), A[vi]))))


def half_filled() -> Program:
    A, B, S, i, j = buffer("A", 8), buffer("B", 8), buffer("S", 8), Var("i"), Var("j")
    body = seq(For(i, 4, Store(S, (i,), A[i])), For(j, 8, Store(B, (j,), S[j])))
    return unproven("p", (A, B), Allocate((S,), body))


def reads_its_output() -> Program:
    B, i = buffer("B", 8), Var("i")
    return unproven("p", (B,), For(i, 8, Store(B, (i,), B[i] + const(1, "float32"))))


def writes_its_input() -> Program:
    A, B, i = buffer("A", 8), buffer("B", 8), Var("i")
    return unproven("p", (A, B), For(i, 8, seq(Store(A, (i,), ZERO), Store(B, (i,), ZERO))))


def divergent(thread_y: bool = False) -> Program:
    A, B, t, u = buffer("A", 8), buffer("B", 8), Var("t"), Var("u")
    body = seq(If(t < 4, BARRIER), Store(B, (t,), A[t]))
    threads = bound(t, 8, body)
    return unproven("p", (A, B), bound(u, 1, threads, "threadIdx.y") if thread_y else threads)


def two_barriers() -> Program:
    A, B, t = buffer("A", 8), buffer("B", 8), Var("t")
    other = seq(BARRIER, Store(B, (t,), A[t]))

    return unproven("p", (A, B), bound(t, 8, If(t < 4, other, seq(Evaluate("barrier", ()), other))))


def local_of_two_threads() -> Program:
    A, B, own = buffer("A", 8), buffer("B", 8), buffer("own", 8, scope="local")
    t, u = Var("t"), Var("u")
    first = bound(t, 8, Store(own, (t,), A[t]))
    second = bound(u, 8, Store(B, (u,), own[const(7) - u]))
    return unproven("p", (A, B), Allocate((own,), seq(first, second)))


def warp_of_two_warps() -> Program:
    A, B, own = buffer("A", 64), buffer("B", 64), buffer("own", 64, scope="warp")
    t, u = Var("t"), Var("u")
    first = bound(t, 64, Store(own, (t,), A[t]))
    second = bound(u, 64, Store(B, (u,), own[(u + 32) % 64]))
    return unproven("p", (A, B), Allocate((own,), seq(first, second)))


def shared_of_two_blocks() -> Program:
    A, B, S = buffer("A", 8), buffer("B", 8), buffer("S", 8, scope="shared")
    b = Var("b")
    body = seq(Store(S, (b,), A[b]), If(b > 0, Store(B, (b,), S[b - 1])))
    return unproven("p", (A, B), Allocate((S,), bound(b, 8, body, "blockIdx.x")))


def shared_inside_threads() -> Program:
    """Each thread allocates it, and yet all get the same."""
    A, B, S = buffer("A", 8), buffer("B", 8), buffer("S", 1, scope="shared")
    t, zero = Var("t"), (const(0),)
    body = seq(Store(S, zero, A[t]), Store(B, (t,), S[zero]))
    return unproven("p", (A, B), bound(t, 8, Allocate((S,), body)))


def shared_of_two_launches() -> Program:
    A, B, S = buffer("A", 8), buffer("B", 8), buffer("S", 8, scope="shared")
    b, c = Var("b"), Var("c")
    first = bound(b, 8, Store(S, (b,), A[b]), "blockIdx.x")
    second = bound(c, 8, Store(B, (c,), S[c]), "blockIdx.x")
    return unproven("p", (A, B), Allocate((S,), seq(first, second)))


def too_many_iterations() -> Program:
    A, B, S = buffer("A", 8), buffer("B", 4), buffer("S", 8, scope="shared")
    t, u = Var("t"), Var("u")
    body = seq(bound(u, 8, Store(S, (u,), A[u])), Store(B, (t,), S[t]))
    return unproven("p", (A, B), Allocate((S,), bound(t, 4, body)))


def fetch_that_differs_per_thread() -> Program:
    """Written for one thread after the other: each fetches all of S anew."""
    A, B, S = buffer("A", 4, 4), buffer("B", 4), buffer("S", 4, scope="shared")
    t, u = Var("t"), Var("u")
    body = seq(bound(u, 4, Store(S, (u,), A[t, u])), Store(B, (t,), S[(t + 1) % 4]))
    return unproven("p", (A, B), Allocate((S,), bound(t, 4, body)))


def blocks_that_meet() -> Program:
    A, B, b, t = buffer("A", 8), buffer("B", 5), Var("b"), Var("t")
    body = Store(B, (b + t,), A[b * 4 + t])
    return unproven("p", (A, B), bound(b, 2, bound(t, 4, body), "blockIdx.x"))


def parallel_in_lanes() -> Program:
    A, B, i, j = buffer("A", 4, 4), buffer("B", 4, 4), Var("i"), Var("j")
    inner = For(j, 4, Store(B, (i, j), A[i, j]), LoopKind.PARALLEL)
    return unproven("p", (A, B), For(i, 4, inner, LoopKind.VECTORIZED))


def barrier_in_lanes() -> Program:
    A, B, i, t = buffer("A", 4, 4), buffer("B", 4, 4), Var("i"), Var("t")
    inner = For(i, 4, seq(BARRIER, Store(B, (t, i), A[t, i])), LoopKind.VECTORIZED)
    return unproven("p", (A, B), bound(t, 4, inner))
