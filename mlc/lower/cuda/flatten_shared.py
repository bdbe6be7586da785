"""flatten_shared: shared memory is addressed by flat places where these are simpler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from ...ir.affine import as_sum
from ...ir.expr import Apply, Expr, Load, Var, const, load
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    Scope,
    Stmt,
    Store,
    expressions_of,
    map_exprs,
    walk,
)
from ...ir.rewrite import loads_of, postorder, rewrite
from ...ir.simplify import merge_remainders, simplify
from ...schedules.step import rebuild
from .touching import buffers_touched


def flatten_shared(body: Stmt, ranges: Mapping[Var, int]) -> Stmt:
    """``T[line, t // 50, t % 50]`` -> ``T[line, t]`` for what threads of a block share: a block
    that has neighbours ``t`` has a box of it then, whatever the extents are.

    All dimensions but the first become one where that leaves fewer quotients and remainders in each
    place. ``ranges`` are those of the variables of threads.
    """
    wide = {
        b for s in walk(body) if isinstance(s, Allocate) for b in s.buffers
        if b.scope is Scope.SHARED and b.ndim > 2 and b.strides is None
    }  # fmt: skip
    if not wide:
        return body
    flattener = _Flattener(ranges, body)
    chosen = flattener.choose(wide, body)
    if not chosen:
        return body
    flattener.made = {b: replace_shape(b) for b in chosen}
    return rebuild(body, flattener.statement)


def replace_shape(buffer: Buffer) -> Buffer:
    """``buffer`` with two dimensions."""
    shape = (buffer.shape[0], prod(buffer.shape[1:]))
    return Buffer(buffer.name, shape, buffer.dtype, None, buffer.scope)


class _Flattener:
    def __init__(self, ranges: Mapping[Var, int], body: Stmt) -> None:
        self.made: dict[Buffer, Buffer] = {}
        self.ranges = dict(ranges)
        for stmt in walk(body):
            if isinstance(stmt, For):
                self.ranges[stmt.var] = max(stmt.extent, self.ranges.get(stmt.var, 0))

    def choose(self, wide: set[Buffer], body: Stmt) -> set[Buffer]:
        """Those of ``wide`` of which each place gets simpler; buffers that are folded together are
        treated alike."""
        kept = set(wide)
        together = []
        for stmt in walk(body):
            places = [(n.source, n.indices) for e in expressions_of(stmt) for n in loads_of(e)]
            match stmt:
                case Store(buffer=buffer, indices=indices):
                    places.append((buffer, indices))
                case Accumulate(buffers=buffers, indices=indices):
                    places += [(b, indices) for b in buffers]
                    together.append(set(buffers))
                case Evaluate():
                    kept -= buffers_touched(stmt)
                case _:
                    kept -= {source for source, _ in places}
            for source, indices in places:
                if source in kept and not self.is_simpler(source, indices):
                    kept.discard(source)
        while any(0 < len(group & kept) < len(group) for group in together):
            for group in together:
                if not group <= kept:
                    kept -= group
        return kept

    def is_simpler(self, buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
        before = sum(map(_divisions, indices[1:]))
        return _divisions(self.flat(buffer, indices)) < before

    def flat(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Expr:
        total: Expr = const(0)
        for index, extent in zip(indices[1:], buffer.shape[1:], strict=True):
            total = total * extent + index
        smaller = as_sum(simplify(total, self.ranges))
        return merge_remainders(smaller, self.ranges).expr()

    def statement(self, stmt: Stmt) -> Stmt | None:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                made = tuple(self.made.get(b, b) for b in buffers)
                return Allocate(made, rebuild(body, self.statement))
            case Store(buffer=buffer):
                done = map_exprs(stmt, self.value)
                assert isinstance(done, Store)
                if buffer not in self.made:
                    return done
                return replace(
                    done, buffer=self.made[buffer], indices=self.place(buffer, done.indices)
                )
            case Accumulate(buffers=(first, *_) as buffers):
                done = map_exprs(stmt, self.value)
                assert isinstance(done, Accumulate)
                if first not in self.made:
                    return done
                made = tuple(self.made[b] for b in buffers)
                return replace(done, buffers=made, indices=self.place(first, done.indices))
        return None

    def value(self, expr: Expr) -> Expr:
        return rewrite(expr, self.load)

    def load(self, node: Expr) -> Expr | None:
        match node:
            case Load(source=source, indices=indices) if source in self.made:
                assert isinstance(source, Buffer)
                return load(self.made[source], self.place(source, indices))
        return None

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return indices[0], self.flat(buffer, indices)


def _divisions(expr: Expr) -> int:
    nodes = postorder(expr)
    return sum(isinstance(n, Apply) and n.fn in ("floordiv", "mod") for n in nodes)
