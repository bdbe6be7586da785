"""Programs that several tests look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlc import te
from mlc.dtypes import float32, int64
from mlc.ir.combiner import reducer
from mlc.ir.expr import Var, const, load, select
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Store,
    seq,
)
from mlc.te.program import Nest, create_program


def program_of(name: str, outputs: Sequence[te.Tensor], inputs: Sequence[te.Tensor]) -> Program:
    """Naive loops for ``outputs`` and for every compute that they need."""
    order: dict[object, list[te.Tensor]] = {}

    def visit(tensor: te.Tensor) -> None:
        if tensor in inputs or any(tensor in made for made in order.values()):
            return
        for source in tensor.inputs:
            visit(source)
        order.setdefault(tensor.op, []).append(tensor)

    for tensor in outputs:
        visit(tensor)
    nests = [Nest(tuple(made), op) for op, made in order.items()]
    return create_program(name, nests, inputs, outputs)


def mm_relu(m: int = 4, n: int = 6, inner: int = 5) -> Program:
    A, B, _, C = mm_relu_tensors(m, n, inner)
    return program_of("mm_relu", [C], [A, B])


def mm_relu_tensors(m: int, n: int, inner: int) -> tuple[te.Tensor, ...]:
    """A, B, A @ B and max(A @ B, 0)."""
    A = te.placeholder((m, inner), "float32", name="A")
    B = te.placeholder((inner, n), "float32", name="B")
    k = te.reduce_axis(inner, "k")
    Y = te.compute((m, n), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
    C = te.compute((m, n), lambda i, j: te.max(Y[i, j], 0), name="C")
    return A, B, Y, C


def argmax(rows: int = 3, columns: int = 7) -> Program:
    x = te.placeholder((rows, columns), "float32", name="x")
    return program_of("argmax_rows", argmax_tensors(x), [x])


def argmax_tensors(x: te.Tensor) -> tuple[te.Tensor, ...]:
    best = te.comm_reducer(
        lambda a, b: (te.select(a[1] >= b[1], a[0], b[0]), te.max(a[1], b[1])),
        identity=(-1, -np.inf),
        dtype=("int64", "float32"),
        name="argmax",
    )
    k = te.reduce_axis(x.shape[1], "k")
    return te.compute((x.shape[0],), lambda i: best((k, x[i, k]), axis=k), name="best")


def padded(size: int = 6) -> Program:
    """A select whose untaken side would read out of bounds, a cast, a shared product."""
    x = te.placeholder((size,), "float32", name="x")
    y = te.compute((size + 2,), lambda i: te.select((i >= 1) & (i < size + 1), x[i - 1], -1.5))

    def body(i: object) -> object:
        p = y[i] * y[i] + 0.1  # type: ignore[index]
        return te.cast(p * p - p, "float64") / 3

    z = te.compute((size + 2,), body, name="z")
    return program_of("padded", [z], [x])


def vector_sum(rows: int = 5, width: int = 4) -> Program:
    """Flat: parallel rows, an accumulator of lanes in a register buffer, masked tail lanes."""
    x = Buffer("x", (rows, 10), float32, strides=(1, rows))
    out = Buffer("out", (rows,), float32, aligned=False)
    lanes = Buffer("lanes", (width,), float32, scope=Scope.REGISTER)
    total = reducer("sum", float32)
    i, k, a, b, c = Var("i"), Var("k"), Var("lane"), Var("lane"), Var("lane")
    column = k * width + b
    clear = For(a, width, Store(lanes, (a,), const(0, float32)), LoopKind.VECTORIZED)
    add = Accumulate(total, (lanes,), (b,), (load(x, (i, column)),))
    body = seq(
        clear,
        For(k, 3, For(b, width, If(column < 10, add), LoopKind.VECTORIZED)),
        Store(out, (i,), const(0, float32)),
        For(c, width, Accumulate(total, (out,), (i,), (load(lanes, (c,)),)), LoopKind.VECTORIZED),
    )
    loop = For(i, rows, Allocate((lanes,), body), LoopKind.PARALLEL)
    return Program("vector_sum", (x, out), loop)


def branches() -> Program:
    """Flat: if and else, integer indices from data, an unrolled loop, a call, scoped memory."""
    index = Buffer("index", (4,), int64)
    out = Buffer("class", (4,), int64)  # a name that Python reserves
    spare = Buffer("spare", (2,), int64, scope=Scope.STACK)
    i, u = Var("i"), Var("u")
    at = load(index, (i,))
    choose = If(
        (at >= 0) & (at < 4),
        Store(out, (at,), select(at % 2 < 1, i * 10, -at)),
        Store(out, (i,), const(-1)),
    )
    fill = For(u, 2, Store(spare, (u,), u + 1), LoopKind.UNROLLED)
    return Program("branches", (index, out), seq(Allocate((spare,), fill), For(i, 4, choose)))


def with_call() -> Program:
    x = Buffer("x", (4,), float32)
    return Program("with_call", (x,), Evaluate("prefetch", (x, const(3))))


ALL = {f.__name__: f for f in (mm_relu, argmax, padded, vector_sum, branches)}
