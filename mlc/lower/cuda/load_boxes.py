"""load_boxes: boxes of later iterations come by themselves while those of this one are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NoReturn

from ...errors import UnsupportedError
from ...intrinsics.boxes import WIDE, boxes_read, is_box_load, why_no_boxes
from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, Var, apply, const
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
from ..replace_buffers import Place, is_replaceable
from ..simplify_program import substitute_all
from .box_turns import Part, Turns, always, overtaking
from .kernel import BARRIER, BOUNDARY, SLOTS_BEGIN, WARP, BoxMap, Thread
from .overlap_stages import APART, CLUSTER, ORDER, STAGE, STAGES, slots_of, staged_statements
from .part_loaders import Loaders, part_loaders
from .share_boxes import share_boxes
from .touching import buffers_touched

GROUP = 128  # threads that multiply together
SLOT_ALIGNMENT = 1024  # bytes, after which rows of a box are mixed as before


@dataclass(frozen=True, eq=False)
class Loaded:
    """A body with ``slots`` of boxes, none without boxes; who loads them, if that is done by
    threads of their own; and how many blocks have boxes in common."""

    body: Stmt
    slots: int = 0
    loaders: Loaders | None = None
    cluster: int = 1


def load_boxes(body: Stmt, threads: tuple[Thread, ...], name: str) -> Loaded:
    """::

        for k in range(8):                    make slots 0 and 1; barrier
            load box S(k)                     if first thread: fill slot 0 with box S(0)
            use S                       ->    for k in range(8):
                                                  if k + 1 < 8 and first thread:
                                                      once slot (k + 1) % 2 is free:
                                                          fill it with box S(k + 1)
                                                  once slot k % 2 is filled: use S[k % 2]
                                                  leave slot k % 2

    for a loop with the stages (0, 1). No barrier of all threads is needed in the loop. Where loads
    are apart, threads of their own do them, in a kernel of two halves::

        make slots 0 and 1; barrier
        if loader:                                  else:
            for k in range(8):                          for k in range(8):
                once slot k % 2 is free:                    once slot k % 2 is filled: use S[k % 2]
                    fill it with box S(k)                   leave slot k % 2

    Raises :class:`UnsupportedError` for boxes that are loaded elsewhere, and for what else touches
    them.
    """
    targets = boxed_buffers(body)
    _refuse_touches(body, targets, name)
    if not targets:
        return Loaded(body)
    maker = _Maker(threads, name)
    made = maker.visit(body, ())
    loaders = None
    if maker.fills is not None:
        loaders = part_loaders(threads)
        assert loaders is not None
        made = loaders.beside(maker.fills, made, maker.slots, maker.count)
    for node in walk(made):
        if isinstance(node, Evaluate):
            _check_place(node, name)
    return Loaded(made, maker.count, loaders, maker.cluster)


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
    slots: tuple[Buffer, ...] = ()  # of loaders
    fills: Stmt | None = None  # what loaders do
    cluster: int = 1

    def visit(self, stmt: Stmt, around: tuple[For | While | If, ...]) -> Stmt:
        """What threads do that use boxes; ``around`` are loops and conditions."""
        match stmt:
            case For(annotations=notes) if STAGES in dict(notes) and _loads(stmt):
                is_apart = APART in dict(notes) and self.can_part(around)
                if self.count or not is_apart and not all(isinstance(s, If) for s in around):
                    self.refuse(
                        f"loop {stmt.var.name} stands in another loop, or after such a loop, and "
                        f"its slots are made once; bind the loops around to blocks"
                    )
                return self.parted(stmt, around) if is_apart else self.filled(stmt)
            case For() | While() if _loads(stmt):
                return replace(stmt, body=self.visit(stmt.body, (*around, stmt)))
            case Allocate(body=body):
                return replace(stmt, body=self.visit(body, around))
            case Seq(stmts=stmts):
                return seq(*(self.visit(s, around) for s in stmts))
            case If(then=then, otherwise=other) if _loads(stmt):
                other = None if other is None else self.visit(other, around)
                return replace(stmt, then=self.visit(then, (*around, stmt)), otherwise=other)
            case Evaluate(name=called) if is_box_load(called):
                self.refuse("a load stands outside of one; say pipeline(loop, [0, 0, 2])")
        return stmt

    def can_part(self, around: Sequence[For | While | If]) -> bool:
        """Whether threads of their own can do loads within ``around``: they count along."""
        plain = all(isinstance(s, For) and s.kind is LoopKind.SERIAL for s in around)
        return plain and part_loaders(self.threads) is not None

    def refuse(self, why: str) -> NoReturn:
        raise UnsupportedError(f"{self.name} loads boxes, which is done in a pipelined loop: {why}")

    def pipelined(self, loop: For) -> Turns:
        buffers: list[Buffer] = []
        found = staged_statements(loop.body, buffers) or []
        loads = [part for part in found if all(map(_loads, part.stmts))]
        uses = found[len(loads) :]
        if not loads or not uses or found[: len(loads)] != loads or any(p.stage for p in loads[:1]):
            self.refuse(f"loop {loop.var.name} must have the stages 0, of loads, and n, of uses")
        ahead = min(part.stage for part in uses)
        self.count = ahead + 1
        if not 0 < ahead < loop.extent or loop.kind is not LoopKind.SERIAL:
            self.refuse(
                f"loop {loop.var.name} has {loop.extent} iterations, and loads are to be {ahead} "
                f"ahead; there must be more, one after the other"
            )
        filling = tuple(Part(p.stage, p.place, seq(*map(self.loads, p.stmts))) for p in loads)
        using = tuple(Part(p.stage - ahead, p.place, seq(*p.stmts)) for p in uses)
        late = {b: part.late for part in filling for b in boxed_buffers(part.body)}
        slots = {buffer: slots_of(buffer, self.count) for buffer in late}
        if not set(slots) <= set(buffers) or not all(
            is_replaceable(part.body, {b: Place(s, (const(0),)) for b, s in slots.items()})
            for part in filling
        ):
            self.refuse(f"what loop {loop.var.name} loads must be used in it alone")
        self.check_order(loop, using, late)
        said = (STAGES, ORDER, APART, CLUSTER)
        notes = {k: v for k, v in dict(loop.annotations).items() if k not in said}
        plain = replace(loop, annotations=tuple(sorted(notes.items())))
        rest = tuple(b for b in buffers if b not in slots)
        using = tuple(sorted(using, key=lambda part: part.place))
        return Turns(plain, ahead, filling, using, slots, rest)

    def check_order(self, loop: For, uses: Sequence[Part], late: Mapping[Buffer, int]) -> None:
        """What is used is what its slot is filled with, in the order in which it is written."""
        for part in uses:
            for buffer, turn in late.items():
                if buffer in buffers_touched(part.body) and part.late != turn:
                    self.refuse(
                        f"{buffer.name} is loaded {turn} iterations of {loop.var.name} late and "
                        f"used {part.late} late; give its load the stage {part.late}"
                    )
        swapped = overtaking(uses, late)
        if swapped is not None:
            self.refuse(
                f"the stages of loop {loop.var.name} have {swapped.name} touched in another order "
                f"than its statements have; give them the order of the statements"
            )
        if max(late.values()) >= loop.extent:
            self.refuse(f"stages of loop {loop.var.name} are further apart than it has iterations")

    def filled(self, loop: For) -> Stmt:
        """``loop`` where the first thread loads ahead."""
        p = self.pipelined(loop)
        threads = prod(t.extent for t in self.threads if not t.is_block)
        fills, turns = p.filled_ahead(self.first)
        inner = seq(
            Evaluate(SLOTS_BEGIN, (const(self.count), const(-(-threads // WARP)))),
            Evaluate(BARRIER, ()),
            fills,
            Evaluate(BOUNDARY, ()),
            turns,
            Evaluate(BOUNDARY, ()),
        )
        return Allocate((*p.rest, *p.slots.values()), inner)

    def parted(self, loop: For, around: Sequence[For | While | If]) -> Stmt:
        """``loop`` where others load; they go through the loops ``around`` as well. Iterations are
        counted through all of them."""
        p = self.pipelined(loop)
        if p.late:
            self.refuse(
                f"threads of their own load for loop {loop.var.name}, of which all uses have one "
                f"stage then; leave out apart=True"
            )
        loops = [s for s in (*around, p.loop) if isinstance(s, For)]
        number: Expr = const(0)
        for each in loops:
            number = number * each.extent + each.var
        theirs = {each.var: Var(each.var.name) for each in loops}
        fills = p.fill(loop.var, number, always)
        fills = self.shared(loop, fills, dict(loop.annotations).get(CLUSTER, 1))
        fills = substitute_all(fills, dict(theirs))
        for each in reversed(loops):
            fills = replace(each, var=theirs[each.var], body=fills)
        self.fills = fills
        self.slots = tuple(p.slots.values())
        uses = replace(p.loop, body=p.used(loop.var, number, always, Seq(())))
        inner = seq(Evaluate(BOUNDARY, ()), uses, Evaluate(BOUNDARY, ()))
        return Allocate(p.rest, inner) if p.rest else inner

    def shared(self, loop: For, fills: Stmt, blocks: int) -> Stmt:
        """``fills`` where each of ``blocks`` that load the same does a part of it, if any do."""
        along = next((t for t in self.threads if t.tag == "blockIdx.x"), None)
        if blocks == 1:
            return fills
        count = 1 if along is None else along.extent
        threads = prod(t.extent for t in self.threads if not t.is_block)
        if along is None or count % blocks or threads % GROUP:
            self.refuse(
                f"loop {loop.var.name} is to share boxes among clusters of {blocks} blocks, and "
                f"there are {count} along blockIdx.x, of {threads} threads; these must be "
                f"whole clusters, of blocks of groups of {GROUP} threads"
            )
        made = share_boxes(fills, along, blocks)
        self.cluster = blocks if made is not fills else 1
        return made

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


def _calls(stmt: Stmt) -> Iterator[Evaluate]:
    for node in walk(stmt):
        if isinstance(node, Evaluate) and is_box_load(node.name):
            yield node


def _loads(stmt: Stmt) -> bool:
    """Whether boxes are loaded; a place where threads might wait for others counts as well."""
    is_boundary = isinstance(stmt, Evaluate) and stmt.name == BOUNDARY
    return is_boundary or any(True for _ in _calls(stmt))


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
