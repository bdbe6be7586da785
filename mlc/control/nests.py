"""Loop nests for one statement, with its innermost loop in vectors where memory allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.affine import linear_in
from ..ir.bounds import interval
from ..ir.combiner import Combiner
from ..ir.expr import Apply, Expr, Var, apply, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Scope,
    Stmt,
    Store,
    expressions_of,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, rewrite
from ..ir.simplify import simplify
from ..records import dataclass

_LEAST_LANES = 2
_MOST_SUMS = 8  # vectors of a reduction that stay in registers
CHAINS = 4  # of sums that do not wait for each other
LEAST_TURNS = 2  # that each of them takes, where there are several
TOGETHER = 4  # rows that are added up at once


@dataclass(frozen=True)
class Span:
    """How many iterations a loop makes: ``extent`` at most, and only those before ``stop``."""

    extent: int
    stop: Expr | None = None


def vector_bytes() -> int:
    """The size of a vector register of this machine."""
    from ..backends.llvm.target import host_target

    return host_target().vector_bits // 8


def store_nest(spans: Sequence[Span], make: Callable[[list[Expr]], Stmt]) -> Stmt:
    """``make(indices)`` for all indices within ``spans``, the last one innermost."""
    variables = [Var(f"i{d}") for d in range(len(spans))]
    outer: list[Expr] = list(variables[:-1])
    if not spans:
        return make([])
    lanes = _lanes(make([*variables]), variables[-1], spans[-1])
    if lanes:
        body = _in_vectors(spans[-1], lanes, lambda i: make([*outer, i]))
    else:
        body = _loop(variables[-1], spans[-1], make([*variables]))
    for variable, span in zip(reversed(variables[:-1]), reversed(spans[:-1])):
        body = _loop(variable, span, body)
    return body


def _loop(variable: Var, span: Span, body: Stmt, kind: LoopKind = LoopKind.SERIAL) -> Stmt:
    if span.stop is not None:
        body = If(apply("lt", variable, span.stop), body)
    return For(variable, span.extent, body, kind)


def _in_vectors(
    span: Span, lanes: int, make: Callable[[Expr], Stmt],
    around: Callable[[Stmt], Stmt] = lambda stmt: stmt,
) -> Stmt:  # fmt: skip
    """``make(i)`` for all ``i`` within ``span``, in vectors, with a loop ``around`` each."""
    outer, lane, rest = Var("o"), Var("l"), Var("r")
    vectors = around(For(lane, lanes, make(outer * lanes + lane), LoopKind.VECTORIZED))
    if span.stop is None:
        whole, left = divmod(span.extent, lanes)
        parts: list[Stmt] = [For(outer, whole, vectors)] if whole else []
        at = whole * lanes
        for narrow in (lanes // 2, lanes // 4):  # what is left of a row, in shorter vectors
            if narrow >= _LEAST_LANES and left & narrow:
                lane = Var("l")
                parts.append(around(For(lane, narrow, make(lane + at), LoopKind.VECTORIZED)))
                at += narrow
        if at < span.extent:
            parts.append(For(rest, span.extent - at, around(make(rest + at))))
        return seq(*parts)
    count = apply("floordiv", span.stop, const(lanes))
    done = count * lanes
    many = -(-span.extent // lanes)
    return seq(
        _loop(outer, Span(span.extent // lanes, count), vectors),
        _loop(rest, Span(min(lanes - 1, span.extent), span.stop - done), around(make(done + rest))),
    ) if many else seq()  # fmt: skip


def _lanes(stmt: Stmt, variable: Var, span: Span) -> int:
    """How many iterations of ``variable`` fit in a vector; 0 if memory is not walked in steps."""
    widest, pace = 1, False
    for node in walk(stmt):
        if isinstance(node, (Store, Accumulate)):
            buffers = (node.buffer,) if isinstance(node, Store) else node.buffers
            for buffer in buffers:
                widest = max(widest, buffer.dtype.itemsize)
                step = step_of(buffer, node.indices, variable)
                if isinstance(node, Store) and step != 1:
                    return 0
                if step not in (0, 1):
                    return 0
        for expr in expressions_of(node):
            for found in loads_of(expr):
                widest = max(widest, found.dtype.itemsize)
                step = step_of(found.source, found.indices, variable)
                if step is None:
                    return 0
                pace = pace or step == 1
    lanes = vector_bytes() // widest
    while lanes > span.extent:
        lanes //= 2
    return lanes if lanes >= _LEAST_LANES else 0


def shortened(expr: Expr, ranges: Mapping[Var, int]) -> Expr:
    """``expr`` in a shorter form, without the bounds on indices that always hold."""

    def rule(node: Expr) -> Expr | None:
        match node:
            case Apply(fn="maximum" | "minimum" as fn, args=(a, b)) if node.dtype.kind in "iu":
                (low, high), (least, most) = interval(a, ranges), interval(b, ranges)
                if fn == "minimum":
                    low, high, least, most = -high, -low, -most, -least
                return a if low >= most else b if least >= high else None
        return None

    return simplify(rewrite(simplify(expr, ranges), rule), ranges)


def step_of(buffer: Buffer, indices: Sequence[Expr], variable: Var) -> int | None:
    """How many elements one step of ``variable`` moves an access; None if that varies."""
    total = 0
    for index, stride in zip(indices, buffer.element_strides, strict=True):
        step = linear_in(index, variable)
        if step is None:
            return None
        total += step * stride
    return total


def reduce_nest(
    targets: Sequence[Buffer],
    spatial: Sequence[Span],
    reduced: Sequence[Span],
    combiner: Combiner,
    place: Callable[[list[Expr]], tuple[Expr, ...]],
    values: Callable[[list[Expr], list[Expr]], tuple[Expr, ...]],
) -> Stmt:
    """``targets[i] = combine over k of values(i, k)``."""
    across = [Var(f"i{d}") for d in range(len(spatial))]
    along = [Var(f"k{d}") for d in range(len(reduced))]
    point = list[Expr](across)
    if not reduced:  # the sum of a number
        made = zip(targets, values(point, []), strict=True)
        return _nested(across, spatial, seq(*(Store(t, place(point), e) for t, e in made)))

    def update(i: list[Expr], k: list[Expr]) -> Stmt:
        return Accumulate(combiner, tuple(targets), place(i), values(i, k))

    probe = update(point, list(along))
    folds = _lanes(probe, along[-1], reduced[-1]) if len(targets) == 1 else 0
    steps = _steps(probe, along[-1])
    across_lanes = _lanes(probe, across[-1], spatial[-1]) if spatial else 0
    if across_lanes > folds and 1 in _steps(probe, across[-1]):
        folds = 0  # rows that do not fill a register, beside columns that do better
    if folds and combiner.commutative and 1 in steps:
        return _nested(across, spatial, _folded(
            targets[0], combiner, reduced, along, folds,
            place(point), lambda k: values(point, k)))  # fmt: skip
    starts = seq(*(Store(t, place(point), e) for t, e in zip(targets, combiner.identity)))
    if lanes := across_lanes:
        tiled = _tiled(targets, spatial, reduced, combiner, lanes, place, update)
        if tiled is not None:
            return tiled
        outer = point[:-1]

        def rows(i: Expr) -> Stmt:
            here = [*outer, i]
            return seq(*(Store(t, place(here), e) for t, e in zip(targets, combiner.identity)))

        inner = _nested(along[:-1], reduced[:-1], _rows_added(
            reduced[-1], along[-1], spatial[-1], lanes,
            lambda i, k: update([*outer, i], [*along[:-1], k])))  # fmt: skip
        first = _in_vectors(spatial[-1], lanes, rows)
        return _nested(across[:-1], spatial[:-1], seq(first, inner))
    body = _nested(along, reduced, probe)
    return _nested(across, spatial, seq(starts, body))


def _rows_added(
    rows: Span, row: Var, columns: Span, lanes: int, update: Callable[[Expr, Expr], Stmt]
) -> Stmt:
    """Rows that are added up in vectors of columns, a few at a time, so that sums are loaded and
    stored once for them."""
    turns, left = divmod(rows.extent, TOGETHER) if rows.stop is None else (0, 0)
    if turns < LEAST_TURNS:
        return _loop(row, rows, _in_vectors(columns, lanes, lambda i: update(i, row)))
    turn, near, last = Var("p"), Var("u"), Var("u")
    parts: list[Stmt] = [For(turn, turns, _in_vectors(
        columns, lanes, lambda i: update(i, turn * TOGETHER + near),
        lambda stmt: For(near, TOGETHER, stmt, LoopKind.UNROLLED)))]  # fmt: skip
    if left:
        parts.append(_in_vectors(
            columns, lanes, lambda i: update(i, last + turns * TOGETHER),
            lambda stmt: For(last, left, stmt, LoopKind.UNROLLED)))  # fmt: skip
    return seq(*parts)


def _tiled(
    targets: Sequence[Buffer], spatial: Sequence[Span], reduced: Sequence[Span],
    combiner: Combiner, lanes: int, place: Callable[[list[Expr]], tuple[Expr, ...]],
    update: Callable[[list[Expr], list[Expr]], Stmt],
) -> Stmt | None:  # fmt: skip
    """A reduction for several rows and whole vectors of columns at once, so that all of them stay
    in registers; None if they are too many, or sizes are open."""
    vectors, left = divmod(spatial[-1].extent, lanes)
    if left or vectors > _MOST_SUMS or any(s.stop is not None for s in (*spatial, *reduced)):
        return None
    rows = spatial[-2].extent if len(spatial) > 1 else 1
    together = max(n for n in range(1, _MOST_SUMS // vectors + 1) if rows % n == 0)
    outer = [Var(f"i{d}") for d in range(len(spatial) - 1)]
    along = [Var(f"k{d}") for d in range(len(reduced))]

    def tile(make: Callable[[list[Expr]], Stmt]) -> Stmt:
        row, vector, lane = Var("u"), Var("v"), Var("l")
        point: list[Expr] = list(outer)
        if outer:
            point[-1] = outer[-1] * together + row
        body: Stmt = For(lane, lanes, make([*point, vector * lanes + lane]), LoopKind.VECTORIZED)
        body = For(vector, vectors, body, LoopKind.UNROLLED)
        return For(row, together, body, LoopKind.UNROLLED)

    def start(i: list[Expr]) -> Stmt:
        return seq(*(Store(t, place(i), e) for t, e in zip(targets, combiner.identity)))

    sums = _nested(along, reduced, tile(lambda i: update(i, list(along))))
    tiles = [*spatial[:-2], Span(rows // together)] if outer else []
    return _nested(outer, tiles, seq(tile(start), sums))


def _steps(stmt: Stmt, variable: Var) -> set[int | None]:
    found: set[int | None] = set()
    for node in walk(stmt):
        for expr in expressions_of(node):
            found |= {step_of(n.source, n.indices, variable) for n in loads_of(expr)}
    return found


def _nested(variables: Sequence[Var], spans: Sequence[Span], body: Stmt) -> Stmt:
    for variable, span in zip(reversed(variables), reversed(spans)):
        body = _loop(variable, span, body)
    return body


def _folded(
    target: Buffer, combiner: Combiner, reduced: Sequence[Span], along: Sequence[Var], lanes: int,
    at: tuple[Expr, ...], values: Callable[[list[Expr]], tuple[Expr, ...]],
) -> Stmt:  # fmt: skip
    """A reduction in the lanes of some registers, which do not wait for each other, and are
    combined at the end."""
    span = reduced[-1]
    chains = CHAINS if span.extent >= LEAST_TURNS * CHAINS * lanes else 1
    register = Buffer("acc", (chains, lanes), target.dtype, scope=Scope.REGISTER)
    total = Buffer("total", (), target.dtype, scope=Scope.REGISTER)
    identity = combiner.identity[0]
    outer = list[Expr](along[:-1])

    def each(make: Callable[[Expr, Expr], Stmt], many: int = chains) -> Stmt:
        chain, lane = Var("u"), Var("l")
        return For(chain, many, For(lane, lanes, make(chain, lane), LoopKind.VECTORIZED),
            LoopKind.UNROLLED)  # fmt: skip

    def vectors(first: Expr, many: int) -> Stmt:
        """``many`` vectors from number ``first`` on."""

        def add(u: Expr, lane: Expr) -> Stmt:
            found = values([*outer, (first + u) * lanes + lane])
            return Accumulate(combiner, (register,), (u, lane), found)

        return each(add, many)

    def single(i: Expr) -> Stmt:
        return Accumulate(combiner, (total,), (), values([*outer, i]))

    step, left, rest = Var("o"), Var("p"), Var("r")
    if span.stop is None:
        whole, over = divmod(span.extent, lanes)
        turns = whole // chains
        parts: list[Stmt] = [For(step, turns, vectors(step * chains, chains))]
        if turns * chains < whole:
            parts.append(vectors(const(turns * chains), whole - turns * chains))
        if over:
            parts.append(For(rest, over, single(rest + whole * lanes)))
    else:
        count = apply("floordiv", span.stop, const(lanes))
        many = apply("floordiv", count, const(chains))
        done = many * chains
        parts = [
            _loop(step, Span(span.extent // lanes // chains, many), vectors(step * chains, chains))
        ]
        if chains > 1:
            parts.append(_loop(left, Span(chains - 1, count - done), vectors(done + left, 1)))
        parts.append(
            _loop(rest, Span(lanes - 1, span.stop - count * lanes), single(count * lanes + rest))
        )
    ends = [
        For(lane := Var("l"), lanes, Accumulate(
            combiner, (register,), (const(0), lane), (load(register, (const(u), lane)),)),
            LoopKind.VECTORIZED)
        for u in range(1, chains)
    ]  # fmt: skip
    last = Var("l")
    return Allocate((register, total), seq(
        each(lambda u, lane: Store(register, (u, lane), identity)),
        Store(total, (), identity),
        _nested(along[:-1], reduced[:-1], seq(*parts)),
        *ends,
        For(last, lanes, Accumulate(combiner, (total,), (), (load(register, (const(0), last)),)),
            LoopKind.VECTORIZED),
        Store(target, at, load(total, ())),
    ))  # fmt: skip


def renamed(variables: Sequence[Expr], stmt: Stmt) -> Any:
    """``stmt`` as a function of its loop variables."""
    from ..lower.simplify_program import substitute_all

    return lambda indices: substitute_all(stmt, dict(zip(variables, indices)))  # type: ignore[arg-type]
