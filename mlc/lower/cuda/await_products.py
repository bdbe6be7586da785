"""await_products: products of four warps go on until somebody needs what they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...intrinsics.wgmma import goes_on
from ...ir.expr import Const, Expr, const
from ...ir.intrinsic import call_effects, is_intrinsic
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    Region,
    Scope,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from ...ir.rewrite import substitute
from ...records import dataclass
from .kernel import BARRIER, PRODUCTS_WAIT, SLOT_LEAVE, SLOT_WAIT
from .load_boxes import without_box_loads
from .touching import buffers_touched, buffers_written


@dataclass(frozen=True, eq=False)
class _Product:
    """A product under way: what it writes, and what it reads besides."""

    sums: frozenset[Buffer]
    operands: frozenset[Buffer]

    def meets(self, stmt: Stmt) -> bool:
        """Whether ``stmt`` must not be done before the product is. What loads boxes waits until
        slots are left, which are no sooner left than products of them are done."""
        stmt = without_box_loads(stmt)
        touched, written = buffers_touched(stmt), buffers_written(stmt)
        return not (self.sums.isdisjoint(touched) and self.operands.isdisjoint(written))

    @property
    def held(self) -> Iterable[Buffer]:
        """What of it lies in registers."""
        both = self.sums | self.operands
        return sorted((b for b in both if b.scope is not Scope.SHARED), key=lambda b: b.name)


def await_products(body: Stmt) -> Stmt:
    """::

        S = Q K(0); T = Q K(1)               S = Q K(0); T = Q K(1)
        f(S)                          ->     wait until 1 product goes on; f(S)
        leave the slot of K                  wait until 0 products go on; leave the slot of K

    A product waits for nothing: those that add to the same sums do so in order. Before any other
    statement that touches its sums, or writes what it reads, stands a wait for it and for those
    before it. Where threads meet, a slot is left, or a loop or a condition begins or ends, none is
    under way; but where a loop does nothing else, and others fill its slots, a slot is left while
    the next product goes on::

        for k in range(8):                    for k in range(8):
            wait for slot k                       wait for slot k
            S += A(k) B(k)              ->        S += A(k) B(k)
            leave slot k                          wait until 1 product goes on
                                                  if k > 0: leave slot k - 1
                                              wait until 0 products go on; leave slot 7
    """
    if not any(_is_product(s) for s in walk(body)):
        return body
    waiter = _Waiter()
    made = waiter.visit(body)
    return seq(made, *waiter.until(0))


class _Waiter:
    def __init__(self) -> None:
        self.under_way: list[_Product] = []

    def until(self, left: int) -> list[Stmt]:
        """Waits until no more than the last ``left`` products are under way."""
        done = self.under_way[: len(self.under_way) - left]
        if not done:
            return []
        self.under_way = self.under_way[len(done) :]
        held = dict.fromkeys(b for each in done for b in each.held)
        kept = {b for each in self.under_way for b in each.held}
        regions = tuple(_whole(b) for b in held if b not in kept)
        return [Evaluate(PRODUCTS_WAIT, (const(left), *regions))]

    def before(self, stmt: Stmt) -> list[Stmt]:
        """Waits for all that ``stmt`` needs."""
        last = max((n for n, p in enumerate(self.under_way) if p.meets(stmt)), default=-1)
        return self.until(len(self.under_way) - last - 1)

    def visit(self, stmt: Stmt) -> Stmt:
        if _is_run(stmt):
            self.under_way += _products(stmt)
            return stmt
        match stmt:
            case Seq(stmts=stmts):
                return seq(*map(self.visit, stmts))
            case Allocate(buffers=buffers, body=body):
                inner = self.visit(body)
                if any(not p.sums.isdisjoint(buffers) for p in self.under_way):
                    inner = seq(inner, *self.until(0))
                self.under_way = [
                    replace(p, operands=p.operands.difference(buffers)) for p in self.under_way
                ]
                return Allocate(buffers, inner)
            case Evaluate(name=name) if name in (BARRIER, SLOT_LEAVE):
                return seq(*self.until(0), stmt)
            case For() if (run := _run_over_slots(stmt)) is not None:
                return seq(*self.until(0), *run)
            case For() | While() if _has_product(stmt):
                waits = self.until(0)
                inner = self.visit(stmt.body)
                return seq(*waits, replace(stmt, body=seq(inner, *self.until(0))))
            case If(then=then, otherwise=otherwise) if _has_product(stmt):
                waits = self.until(0)
                then = seq(self.visit(then), *self.until(0))
                if otherwise is not None:
                    otherwise = seq(self.visit(otherwise), *self.until(0))
                return seq(*waits, replace(stmt, then=then, otherwise=otherwise))
        return seq(*self.before(stmt), stmt)


def _is_product(stmt: Stmt) -> bool:
    return isinstance(stmt, Evaluate) and is_intrinsic(stmt.name) and goes_on(stmt.name)


def _has_product(stmt: Stmt) -> bool:
    return any(_is_product(s) for s in walk(stmt))


def _is_run(stmt: Stmt) -> bool:
    """Whether ``stmt`` is made of products alone."""
    match stmt:
        case Seq(stmts=stmts):
            return bool(stmts) and all(map(_is_run, stmts))
        case For(body=body):
            return _is_run(body)
        case _:
            return _is_product(stmt)


def _run_over_slots(loop: For) -> list[Stmt] | None:
    """``loop`` with a slot that is left an iteration late, if it does nothing but multiply what is
    in slots."""
    match loop.body:
        case Seq(stmts=(Evaluate(name=first) as wait, *uses, Evaluate(name=last) as leave)):
            if first != SLOT_WAIT or last != SLOT_LEAVE or not uses or not all(map(_is_run, uses)):
                return None
        case _:
            return None
    count, number = leave.args
    assert isinstance(count, Const) and isinstance(number, Expr)
    if count.value < 2 or loop.extent < 2:
        return None
    products = _products(seq(*uses))

    def left(at: Expr) -> Stmt:
        return Evaluate(SLOT_LEAVE, (count, substitute(number, {loop.var: at})))

    body = seq(
        wait,
        *uses,
        Evaluate(PRODUCTS_WAIT, (const(len(products)),)),
        If(loop.var > 0, left(loop.var - 1)),
    )
    held = dict.fromkeys(b for each in products for b in each.held)
    done = Evaluate(PRODUCTS_WAIT, (const(0), *map(_whole, held)))
    return [replace(loop, body=body), done, left(const(loop.extent - 1))]


def _products(stmt: Stmt) -> list[_Product]:
    """The products of a run, in order."""
    match stmt:
        case Seq(stmts=stmts):
            return [each for part in stmts for each in _products(part)]
        case For(extent=extent, body=body):
            return _products(body) * extent
    assert isinstance(stmt, Evaluate)
    reads, writes = (frozenset(r.buffer for r in side) for side in call_effects(stmt))
    return [_Product(writes, reads - writes)]


def _whole(buffer: Buffer) -> Region:
    return Region(buffer, tuple(const(0) for _ in buffer.shape), buffer.shape)
