"""Random graphs of tensor expressions."""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import DType, as_dtype
from ..ir.expr import Expr
from ..ir.program import Program
from ..te.tensor import Compute, Tensor
from .choices import Choices

DTYPES = ("float32", "float32", "float64", "int32", "int64", "float16", "bool")
LARGEST = 160  # elements of a tensor
STAGES = 4


def draw_graph(choices: Choices) -> Program:
    """A program of one to four computes, each over earlier ones or new inputs."""
    graph = _Graph(choices)
    for _ in range(choices.between(1, STAGES)):
        graph.stage()
    return graph.program()


class _Graph:
    def __init__(self, choices: Choices) -> None:
        self.c = choices
        self.inputs: list[Tensor] = []
        self.pool: list[Tensor] = []
        self.count = 0
        self.dtype = choices.pick(DTYPES)

    def program(self) -> Program:
        read = set()
        for tensor in self.pool:
            if isinstance(tensor.op, Compute):
                read.update(_read_by(tensor.op))
        outputs = [t for t in self.pool if isinstance(t.op, Compute) and t not in read]
        used = [t for t in self.inputs if t in read]
        return te.create_program([*used, *outputs], "graph")

    def size(self) -> int:
        return self.c.pick((4, 3, 5, 2, 7, 8, 6, 1, 9))

    def fresh(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """A new input."""
        name = "ABDEFGHKLM"[len(self.inputs)] if len(self.inputs) < 10 else "Z"
        tensor = te.placeholder(shape, dtype or self.dtype, name)
        self.inputs.append(tensor)
        return tensor

    def source(self) -> Tensor:
        """What a stage works on: mostly the latest tensor."""
        if not self.pool or self.c.one_in(6):
            shape = tuple(self.size() for _ in range(self.c.between(1, 3)))
            while _size(shape) > LARGEST:
                shape = shape[1:]
            tensor = self.fresh(shape)
            self.pool.append(tensor)
            return tensor
        return self.pool[-1 - self.c.below(min(2, len(self.pool)))]

    def add(self, shape: tuple[int, ...], body: Any) -> None:
        self.count += 1
        made = te.compute(shape, body, name=f"S{self.count}")
        self.pool += made if isinstance(made, tuple) else (made,)

    def stage(self) -> None:
        x = self.source()
        stages = [elementwise, binary, reduction, matmul, broadcast, stencil, padding, transpose]
        stages += [strided, reshape, argmax, ordered, gather, convolution, conversion, outer]
        kind = self.c.pick(stages)
        if not kind(self, x):
            elementwise(self, x)


def at(*indices: Any) -> tuple[Any, ...]:
    """The indices of one element."""
    return indices


def _size(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total


def _read_by(op: Compute) -> set[Tensor]:
    from ..ir.expr import Reduce
    from ..ir.rewrite import loads_of

    parts: list[Expr] = []
    for body in op.body:
        parts += body.values if isinstance(body, Reduce) else (body,)
    return {node.source for part in parts for node in loads_of(part)}


def _number(value: Any, dtype: DType) -> Any:
    """A bool as a number, others as they are."""
    return te.cast(value, "int32") if dtype.name == "bool" else value


def elementwise(g: _Graph, x: Tensor) -> bool:
    """x * 2 + 1 and its like."""
    kind = g.c.below(6)

    def body(*i: Any) -> Any:
        v = x[i]
        if x.dtype.name == "bool":
            return te.select(v, False, True) if kind % 2 else v
        match kind:
            case 0:
                return v + 1
            case 1:
                return te.max(v, 0)
            case 2:
                return v * 2 - 3
            case 3:
                return te.select(v > 0, v, -v)
            case 4:
                return v + te.cast(i[0], x.dtype)
            case _:
                return v > 0

    g.add(x.shape, body)
    return True


def binary(g: _Graph, x: Tensor) -> bool:
    """x and another tensor of its shape."""
    like = [t for t in g.pool if t.shape == x.shape and t.dtype is x.dtype]
    if g.c.one_in(3):
        other = g.fresh(x.shape, x.dtype.name)
    else:
        other = g.c.pick(like)
    kind = g.c.below(4)

    def body(*i: Any) -> Any:
        a, b = x[i], other[i]
        if x.dtype.name == "bool":
            return a & b if kind % 2 else a | b
        match kind:
            case 0:
                return a + b
            case 1:
                return a - b
            case 2:
                return te.max(a, b)
            case _:
                return te.select(a < b, a, b * 2)

    g.add(x.shape, body)
    return True


def broadcast(g: _Graph, x: Tensor) -> bool:
    """x plus a row, or a column."""
    d = g.c.below(x.ndim)
    row = g.fresh((x.shape[d],), x.dtype.name)
    if x.dtype.name == "bool":
        g.add(x.shape, lambda *i: x[i] | row[i[d]])
    else:
        g.add(x.shape, lambda *i: x[i] + row[i[d]])
    return True


def reduction(g: _Graph, x: Tensor) -> bool:
    """Folds some dimensions of x."""
    kept = [d for d in range(x.ndim) if g.c.below(2)][: x.ndim - 1]
    axes = {d: te.reduce_axis(x.shape[d], f"r{d}") for d in range(x.ndim) if d not in kept}
    if x.dtype.name == "bool":
        fold: Any = g.c.pick((te.any, te.all))
    else:
        fold = g.c.pick((te.sum, te.max, te.min, te.sum))
    shape = tuple(x.shape[d] for d in kept) or (1,)

    def body(*i: Any) -> Any:
        at = dict(zip(kept, i))
        return fold(x[tuple(axes.get(d, at.get(d)) for d in range(x.ndim))], axis=[*axes.values()])

    g.add(shape, body)
    return True


def matmul(g: _Graph, x: Tensor) -> bool:
    """x @ W, or x @ x transposed."""
    if x.dtype.name == "bool":
        return False
    n, depth = g.c.pick((3, 4, 5, 2, 1)), x.shape[-1]
    if _size(x.shape[:-1]) * n > LARGEST:
        return False
    w = g.fresh((depth, n), x.dtype.name)
    k = te.reduce_axis(depth, "k")
    g.add((*x.shape[:-1], n), lambda *i: te.sum(x[at(*i[:-1], k)] * w[k, i[-1]], axis=k))
    return True


def stencil(g: _Graph, x: Tensor) -> bool:
    """Sums of neighbours along the last dimension, or their maxima."""
    n = x.shape[-1]
    if n < 3 or x.dtype.name == "bool":
        return False
    if g.c.below(2):
        g.add(
            (*x.shape[:-1], n - 2),
            lambda *i: x[i] + x[at(*i[:-1], i[-1] + 1)] + x[at(*i[:-1], i[-1] + 2)],
        )
    else:
        k = te.reduce_axis(2, "k")
        g.add((*x.shape[:-1], n // 2), lambda *i: te.max(x[at(*i[:-1], i[-1] * 2 + k)], axis=k))
    return True


def padding(g: _Graph, x: Tensor) -> bool:
    """x between constants."""
    d, before, after = g.c.below(x.ndim), g.c.between(1, 2), g.c.below(3)
    n = x.shape[d]
    shape = (*x.shape[:d], n + before + after, *x.shape[d + 1 :])
    fill = False if x.dtype.name == "bool" else g.c.pick((0, 0, 1))
    if _size(shape) > LARGEST:
        return False

    def body(*i: Any) -> Any:
        inside = i[d] >= before
        if after:
            inside = inside & (i[d] < n + before)
        at = (*i[:d], i[d] - before, *i[d + 1 :])
        return te.select(inside, x[at], te.const(fill, x.dtype))

    g.add(shape, body)
    return True


def transpose(g: _Graph, x: Tensor) -> bool:
    """The dimensions of x in another order, or one of them backwards."""
    order = g.c.some(range(x.ndim), x.ndim)
    shape = tuple(x.shape[d] for d in order)
    turned = g.c.one_in(3)

    def body(*i: Any) -> Any:
        at: list[Any] = [None] * x.ndim
        for d, index in zip(order, i):
            at[d] = index
        if turned:
            at[0] = x.shape[0] - 1 - at[0]
        return x[tuple(at)]

    g.add(shape, body)
    return True


def strided(g: _Graph, x: Tensor) -> bool:
    """Every second element, or each element twice."""
    n = x.shape[0]
    if g.c.below(2) and n > 1:
        g.add((n // 2, *x.shape[1:]), lambda *i: x[at(i[0] * 2, *i[1:])])
    elif 2 * _size(x.shape) <= LARGEST:
        g.add((2 * n, *x.shape[1:]), lambda *i: x[at(i[0] // 2, *i[1:])])
    else:
        return False
    return True


def reshape(g: _Graph, x: Tensor) -> bool:
    """x flat, or cut into rows."""
    if x.ndim >= 2:
        m = x.shape[1]
        g.add((x.shape[0] * m, *x.shape[2:]), lambda *i: x[at(i[0] // m, i[0] % m, *i[1:])])
        return True
    for m in (4, 3, 2, 5):
        if x.shape[0] % m == 0:
            g.add((x.shape[0] // m, m), lambda i, j: x[i * m + j])
            return True
    return False


def argmax(g: _Graph, x: Tensor) -> bool:
    """The greatest element of each row and its place: a fold of two parts."""
    if x.dtype.name == "bool":
        return False
    low = x.dtype.lowest

    def wins(a: Any, b: Any) -> Any:
        return (a[1] > b[1]) | ((a[1] == b[1]) & (a[0] < b[0]))

    fold = te.comm_reducer(
        lambda a, b: (te.select(wins(a, b), a[0], b[0]), te.select(wins(a, b), a[1], b[1])),
        identity=(2**63 - 1, low),
        dtype=("int64", x.dtype.name),
        name="argmax",
    )
    k = te.reduce_axis(x.shape[-1], "k")
    if x.ndim == 1:
        g.add((1,), lambda i: fold((k, x[k]), axis=k))
    else:
        g.add(x.shape[:-1], lambda *i: fold((k, x[at(*i, k)]), axis=k))
    return True


def ordered(g: _Graph, x: Tensor) -> bool:
    """The last positive element of each row: a fold whose order counts."""
    if x.dtype.name == "bool":
        return False
    fold = te.comm_reducer(
        lambda a, b: (te.select(b[1] > 0, b[0], a[0]), te.max(a[1], b[1])),
        identity=(0, 0),
        dtype=(x.dtype.name, "int32"),
        name="latest",
        commutative=False,
    )
    k = te.reduce_axis(x.shape[-1], "k")

    def values(at: Any) -> Any:
        return fold((x[at], te.cast(x[at] > 0, "int32")), axis=k)

    if x.ndim == 1:
        g.add((1,), lambda i: values((k,)))
    else:
        g.add(x.shape[:-1], lambda *i: values((*i, k)))
    return True


def gather(g: _Graph, x: Tensor) -> bool:
    """Rows of x chosen by data."""
    n = g.c.pick((4, 3, 6))
    if n * _size(x.shape[1:]) > LARGEST:
        return False
    index = g.fresh((n,), "int64")
    g.add((n, *x.shape[1:]), lambda *i: x[at(index[i[0]] % x.shape[0], *i[1:])])
    return True


def convolution(g: _Graph, x: Tensor) -> bool:
    """x with a small window, along the first dimensions."""
    if x.dtype.name == "bool" or x.shape[0] < 3:
        return False
    window = g.c.between(2, 3)
    r = te.reduce_axis(window, "r")
    if x.ndim == 2 and x.shape[1] >= 2:
        w2, s = g.fresh((window, 2), x.dtype.name), te.reduce_axis(2, "s")
        g.add(
            (x.shape[0] - window + 1, x.shape[1] - 1),
            lambda i, j: te.sum(x[i + r, j + s] * w2[r, s], axis=(r, s)),
        )
        return True
    w = g.fresh((window,), x.dtype.name)
    g.add(
        (x.shape[0] - window + 1, *x.shape[1:]),
        lambda *i: te.sum(x[at(i[0] + r, *i[1:])] * w[r], axis=r),
    )
    return True


def conversion(g: _Graph, x: Tensor) -> bool:
    """x in another dtype."""
    target = as_dtype(g.c.pick(("int32", "float32", "int64", "float64")))
    if x.dtype.is_float and not target.is_float:
        return False
    g.add(x.shape, lambda *i: te.cast(_number(x[i], x.dtype), target))
    return True


def outer(g: _Graph, x: Tensor) -> bool:
    """x with a new dimension."""
    n = g.c.pick((3, 2, 4))
    if n * _size(x.shape) > LARGEST or x.dtype.name == "bool":
        return False
    row = g.fresh((n,), x.dtype.name)
    g.add((*x.shape, n), lambda *i: x[i[:-1]] * row[i[-1]])
    return True
