"""load_boxes: boxes of later iterations come by themselves while those of this one are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NoReturn

from ...errors import UnsupportedError
from ...intrinsics.boxes import WIDE, boxes_read, is_box_load, why_no_boxes
from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, apply, const
from ...ir.intrinsic import kept_dimensions
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    expressions_of,
    seq,
    walk,
)
from ...ir.rewrite import loads_of
from ...schedules.step import rebuild
from ..replace_buffers import Place, is_replaceable, replace_buffers
from ..simplify_program import substitute_all
from .kernel import BARRIER, BOUNDARY, SLOT_FILL, SLOT_LEAVE, SLOT_WAIT, SLOTS_BEGIN, BoxMap, Thread
from .overlap_stages import ORDER, STAGE, STAGES, slots_of, stages_of
from .touching import buffers_touched

SLOT_ALIGNMENT = 1024  # bytes, after which rows of a box are mixed as before


def load_boxes(body: Stmt, threads: tuple[Thread, ...], name: str) -> tuple[Stmt, int]:
    """::

        for k in range(8):                    make slots 0 and 1; barrier
            load box S(k)                     if first thread: fill slot 0 with box S(0)
            use S                       ->    for k in range(8):
                                                  if k + 1 < 8 and first thread:
                                                      once slot (k + 1) % 2 is free:
                                                          fill it with box S(k + 1)
                                                  once slot k % 2 is filled: use S[k % 2]
                                                  leave slot k % 2

    for a loop with the stages (0, 1); returns the number of slots as well, 0 without boxes. No
    barrier of all threads is needed in the loop. Raises :class:`UnsupportedError` for boxes that
    are loaded elsewhere, and for what else touches them.
    """
    targets = boxed_buffers(body)
    _refuse_touches(body, targets, name)
    if not targets:
        return body, 0
    maker = _Maker(threads, name)
    made = maker.visit(body, False)
    for node in walk(made):
        if isinstance(node, Evaluate):
            _check_place(node, name)
    return made, maker.count


def boxed_buffers(stmt: Stmt) -> frozenset[Buffer]:
    """The buffers that boxes are loaded into."""
    return frozenset(
        region.buffer for call in _calls(stmt) if isinstance(region := call.args[1], Region)
    )


def without_box_loads(stmt: Stmt) -> Stmt:
    """``stmt`` with no loads of boxes: what is left touches arrays by their addresses."""

    def on(node: Stmt) -> Stmt | None:
        is_load = isinstance(node, Evaluate) and is_box_load(node.name)
        return Seq(()) if is_load else None

    return rebuild(stmt, on)


def box_maps(stmt: Stmt, known: Sequence[Buffer], name: str) -> tuple[BoxMap, ...]:
    """The arrays and extents of the boxes that ``stmt`` loads, each once. Raises
    :class:`UnsupportedError` for an array that no boxes can be taken of."""
    found: dict[BoxMap, None] = {}
    for call in _calls(stmt):
        region = call.args[0]
        assert isinstance(region, Region)
        why = why_no_boxes(region.buffer, region.extents)
        if why is None and region.buffer not in known:
            why = "it is no array of the caller's or of the workspace"
        if why is not None:
            raise UnsupportedError(
                f"{name} loads boxes of {region.buffer.name}, and none can be taken of it: {why}; "
                f"copy it by threads instead"
            )
        found[BoxMap(region.buffer, region.extents)] = None
    return tuple(found)


@dataclass(eq=False)
class _Maker:
    threads: tuple[Thread, ...]
    name: str
    count: int = 0

    def visit(self, stmt: Stmt, is_inside: bool) -> Stmt:
        match stmt:
            case For(annotations=notes) if STAGES in dict(notes) and _loads(stmt):
                if is_inside or self.count:
                    self.refuse(
                        f"loop {stmt.var.name} stands in another loop, or after such a loop, and "
                        f"its slots are made once; bind the loops around to blocks"
                    )
                return self.filled(stmt)
            case For() | While():
                return replace(stmt, body=self.visit(stmt.body, True)) if _loads(stmt) else stmt
            case Allocate(body=body):
                return replace(stmt, body=self.visit(body, is_inside))
            case Seq(stmts=stmts):
                return seq(*(self.visit(s, is_inside) for s in stmts))
            case If(then=then, otherwise=other) if _loads(stmt):
                other = None if other is None else self.visit(other, is_inside)
                return replace(stmt, then=self.visit(then, is_inside), otherwise=other)
            case Evaluate(name=called) if is_box_load(called):
                self.refuse("a load stands outside of one; say pipeline(loop, [0, 0, 2])")
        return stmt

    def refuse(self, why: str) -> NoReturn:
        raise UnsupportedError(f"{self.name} loads boxes, which is done in a pipelined loop: {why}")

    def filled(self, loop: For) -> Stmt:
        buffers: list[Buffer] = []
        stages: dict[int, list[Stmt]] = {}
        fits = stages_of(loop.body, buffers, stages, [None])
        ahead = max(stages, default=0)
        order = list(dict(loop.annotations).get(ORDER, ()))
        if not fits or sorted(stages) != [0, ahead] or order != sorted(order):
            self.refuse(f"loop {loop.var.name} must have the stages 0, of loads, and n, of uses")
        if not 0 < ahead < loop.extent or loop.kind is not LoopKind.SERIAL:
            self.refuse(
                f"loop {loop.var.name} has {loop.extent} iterations, and loads are to be {ahead} "
                f"ahead; there must be more, one after the other"
            )
        loads, uses = seq(*map(self.loads, stages[0])), seq(*stages[ahead])
        targets = boxed_buffers(loads)
        slots = {buffer: slots_of(buffer, ahead + 1) for buffer in targets}
        if not targets <= set(buffers) or not is_replaceable(
            loads, {b: Place(s, (const(0),)) for b, s in slots.items()}
        ):
            self.refuse(f"what loop {loop.var.name} loads must be used in it alone")
        count, size = const(ahead + 1), const(_bytes(loads))

        def placed(stmt: Stmt, at: Expr) -> Stmt:
            return replace_buffers(stmt, {b: Place(s, (at % count,)) for b, s in slots.items()})

        def fill(at: Expr) -> Stmt:
            moved = substitute_all(loads, {loop.var: at})
            return seq(Evaluate(SLOT_FILL, (count, at, size)), placed(moved, at))

        later = loop.var + ahead
        body = seq(
            If(later < loop.extent, self.first(fill(later))),
            Evaluate(SLOT_WAIT, (count, loop.var)),
            placed(uses, loop.var),
            Evaluate(SLOT_LEAVE, (count, loop.var)),
            Evaluate(BOUNDARY, ()),
        )
        notes = {k: v for k, v in dict(loop.annotations).items() if k not in (STAGES, ORDER)}
        steady = replace(loop, body=body, annotations=tuple(sorted(notes.items())))
        inner = seq(
            Evaluate(SLOTS_BEGIN, (count,)),
            Evaluate(BARRIER, ()),
            self.first(seq(*(fill(const(n)) for n in range(ahead)))),
            Evaluate(BOUNDARY, ()),
            steady,
            Evaluate(BOUNDARY, ()),
        )
        self.count = ahead + 1
        rest = tuple(b for b in buffers if b not in slots)
        return Allocate((*rest, *slots.values()), inner)

    def loads(self, stmt: Stmt) -> Stmt:
        """The loads of ``stmt`` with the loops around them: who does them is decided anew."""
        first = {t.var for t in self.threads if not t.is_block}
        match stmt:
            case Seq(stmts=stmts):
                return seq(*map(self.loads, stmts))
            case For(kind=LoopKind.SERIAL | LoopKind.UNROLLED):
                return replace(stmt, body=self.loads(stmt.body))
            case If(condition=condition, then=then, otherwise=None) if any(
                condition is apply("eq", var, const(0)) for var in first
            ):
                return self.loads(then)
            case Evaluate(name=name) if is_box_load(name):
                return stmt
            case Evaluate(name=name) if name in (BOUNDARY, STAGE):
                return Seq(())
        self.refuse("other statements stand among the loads")

    def first(self, stmt: Stmt) -> Stmt:
        """``stmt`` by the first thread of the block."""
        for thread in self.threads:
            if not thread.is_block and thread.extent > 1:
                stmt = If(apply("eq", thread.var, const(0)), stmt)
        return stmt


def _bytes(loads: Stmt) -> int:
    """How much comes."""
    match loads:
        case Seq(stmts=stmts):
            return sum(map(_bytes, stmts))
        case For(extent=extent, body=body):
            return extent * _bytes(body)
        case Evaluate(args=(Region() as source, _)):
            return prod(source.extents) * source.buffer.dtype.itemsize
    raise AssertionError(loads)


def _calls(stmt: Stmt) -> Iterator[Evaluate]:
    for node in walk(stmt):
        if isinstance(node, Evaluate) and is_box_load(node.name):
            yield node


def _loads(stmt: Stmt) -> bool:
    return any(True for _ in _calls(stmt))


def _refuse_touches(body: Stmt, targets: frozenset[Buffer], name: str) -> None:
    for node in walk(body):
        touched = {load.source for e in expressions_of(node) for load in loads_of(e)}
        match node:
            case Evaluate(name=called, args=args) if args[boxes_read(called)]:
                for region in args[boxes_read(called)]:
                    if isinstance(region, Region) and region.buffer not in targets:
                        raise UnsupportedError(
                            f"{called} in {name} multiplies boxes, and {region.buffer.name} is "
                            f"filled by other means than loads of boxes; tensorize its copy"
                        )
            case Evaluate(name=called) if is_box_load(called):
                pass
            case Evaluate() | Store():
                touched |= buffers_touched(node)
        for buffer in touched & targets:
            raise UnsupportedError(
                f"{buffer.name} of {name} holds boxes, whose elements lie mixed in shared memory, "
                f"and is touched there by other means than products of boxes; tensorize those "
                f"loops as well, or copy it by threads"
            )


def _check_place(call: Evaluate, name: str) -> None:
    """Boxes lie as one row after the other, and begin where what mixes them begins anew."""
    boxes = call.args[1:2] if is_box_load(call.name) else call.args[boxes_read(call.name)]
    for region in boxes:
        assert isinstance(region, Region)
        buffer, size = region.buffer, region.buffer.dtype.itemsize
        strides = buffer.element_strides
        row, last = [strides[d] for d in kept_dimensions(region.extents)][-2:]
        place = Sum((), 0)
        for start, stride in zip(region.starts, strides, strict=True):
            place = place.plus(as_sum(start), stride)
        steps = [place.constant, *(c for _, c in place.terms)]
        whole = all(n * size % SLOT_ALIGNMENT == 0 for n in steps)
        if (row, last) != (WIDE, 1) or not whole or buffer.scope is not Scope.SHARED:
            raise UnsupportedError(
                f"{call.name} in {name} takes boxes of {buffer.name} that begin at multiples of "
                f"{SLOT_ALIGNMENT} bytes of shared memory, in rows of {WIDE} elements without "
                f"gaps, and those lie otherwise; keep its rows together, {WIDE} elements each"
            )
