"""Allocations moved inwards and made small: what compact_buffers does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir.affine import linear_in
from ..ir.call_names import is_intrinsic
from ..ir.expr import Const, Expr, Load, Var, load
from ..ir.program import (
    Accumulate,
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
    children_of,
    expressions_of,
    map_exprs,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, rewrite
from ..ir.simplify import simplify
from ..records import replace
from ..schedules.regions import region_in, union
from .compact_buffers import Spread

BANKS = 32  # of shared memory, each an element wide
VIRTUAL = "virtual"  # marks loops over virtual threads, which have memory of their own
Boxes = Mapping[Buffer, Region]


class Compacter:
    """Moves the allocations of one program; ``changed`` says whether it has moved any."""

    def __init__(self, spread: Spread | None) -> None:
        self.is_shared = spread is not None
        self.spread: Spread = spread or (lambda stmt, _: stmt)
        self.changed = False
        self.named: dict[int, tuple[Stmt, frozenset[Buffer]]] = {}

    def statement(self, stmt: Stmt, extents: Mapping[Var, int]) -> Stmt:
        """``stmt`` with its allocations made small; ``extents`` are those of the loops around."""
        match stmt:
            case Allocate(buffers=buffers, body=Allocate(buffers=more, body=body)):
                # one after the other or together, as scripts have them: it is the same program
                return self.statement(Allocate((*buffers, *more), body), extents)
            case Allocate(buffers=buffers, body=body):
                inner = self.statement(body, extents)
                kept = list(buffers)
                for group in _groups(buffers, inner):
                    moved = self.settled(inner, group, extents)
                    if moved is not None:
                        self.changed = True
                        inner = moved
                        kept = [b for b in kept if b not in group]
                if len(kept) == len(buffers):
                    return stmt if inner is body else replace(stmt, body=inner)
                return Allocate(tuple(kept), inner) if kept else inner
            case For(var=var, extent=extent, body=body):
                inner = self.statement(body, {**extents, var: extent})
                return stmt if inner is body else replace(stmt, body=inner)
            case While(body=body):
                inner = self.statement(body, extents)
                return stmt if inner is body else replace(stmt, body=inner)
            case Seq(stmts=stmts):
                parts = [self.statement(s, extents) for s in stmts]
                same = all(a is b for a, b in zip(parts, stmts, strict=True))
                return stmt if same else seq(*parts)
            case If(condition=condition, then=then, otherwise=otherwise):
                yes = self.statement(then, extents)
                no = None if otherwise is None else self.statement(otherwise, extents)
                same = yes is then and no is otherwise
                return stmt if same else If(condition, yes, no)
            case _:
                return stmt

    def settled(
        self, stmt: Stmt, group: Sequence[Buffer], extents: Mapping[Var, int]
    ) -> Stmt | None:
        """``stmt`` with the group allocated as far in as can be; None where that saves nothing."""
        match stmt:
            case Seq(stmts=stmts):
                users = [n for n, s in enumerate(stmts) if not self.names(s).isdisjoint(group)]
                if len(users) == 1:
                    part = self.settled(stmts[users[0]], group, extents)
                    if part is None:
                        return None
                    return seq(*stmts[: users[0]], part, *stmts[users[0] + 1 :])
                apart = self.each_its_own([stmts[n] for n in users], group, extents)
                if apart is not None:
                    made = dict(zip(users, apart))
                    return seq(*(made.get(n, s) for n, s in enumerate(stmts)))
            case Allocate(body=body):
                inner = self.settled(body, group, extents)
                return None if inner is None else replace(stmt, body=inner)
            case For(var=var, extent=extent, body=body, kind=kind, annotations=hints) if kind in (
                LoopKind.SERIAL,
                LoopKind.PARALLEL,
            ) or VIRTUAL in dict(hints):
                boxes = _boxes(self.spread(body, group[0]), group)
                if all(_is_apart(box, var, extent) for box in boxes.values()):
                    inner = self.settled(body, group, {**extents, var: extent})
                    return None if inner is None else replace(stmt, body=inner)
        boxes = _boxes(self.spread(stmt, group[0]), group)
        if len({(box.starts, box.extents) for box in boxes.values()}) != 1:
            return None  # these share their indices
        if all(isinstance(start, Const) for box in boxes.values() for start in box.starts):
            return None
        return _shrunk(stmt, boxes, extents)

    def each_its_own(
        self, parts: Sequence[Stmt], group: Sequence[Buffer], extents: Mapping[Var, int]
    ) -> list[Stmt] | None:
        """``parts`` with the group allocated in each of them; None where two share elements."""
        if self.is_shared:  # what threads share has one place
            return None
        boxes = [_boxes(part, group) for part in parts]
        for n, box in enumerate(boxes):
            alike = len({(b.starts, b.extents) for b in box.values()}) == 1
            if not alike or len(box) != len(group):
                return None
            if any(not _never_overlap(box[b], other[b]) for other in boxes[:n] for b in group):
                return None
        settled = [self.settled(part, group, extents) for part in parts]
        return [
            _shrunk(part, box, extents) if inner is None else inner
            for part, box, inner in zip(parts, boxes, settled)
        ]

    def names(self, stmt: Stmt) -> frozenset[Buffer]:
        """The buffers that ``stmt`` names."""
        known = self.named.get(id(stmt))
        if known is None:
            found = frozenset(_named(stmt)).union(*(self.names(c) for c in children_of(stmt)))
            known = self.named[id(stmt)] = stmt, found
        return known[1]


def _named(stmt: Stmt) -> set[Buffer]:
    """The buffers that ``stmt`` itself names."""
    found = {node.source for e in expressions_of(stmt) for node in loads_of(e)}
    match stmt:
        case Store(buffer=buffer):
            found.add(buffer)
        case Accumulate(buffers=buffers):
            found.update(buffers)
        case Evaluate(args=args):
            found.update(a.buffer for a in args if isinstance(a, Region))
            found.update(a for a in args if isinstance(a, Buffer))
    return found


def _groups(buffers: Sequence[Buffer], body: Stmt) -> list[tuple[Buffer, ...]]:
    """Buffers that can be made small, those that are accumulated together in one group."""
    mates: dict[Buffer, set[Buffer]] = {b: {b} for b in buffers if _is_plain(b)}
    for stmt in walk(body):
        match stmt:
            case Accumulate(buffers=joined) if len(joined) > 1:
                for buffer in joined:
                    if buffer in mates:
                        mates[buffer].update(joined)
            case Evaluate():
                for buffer in _named(stmt) if _takes_whole(stmt) else ():
                    mates.pop(buffer, None)
    groups = {
        tuple(b for b in buffers if b in group)
        for group in mates.values()
        if all(mates.get(other) == group for other in group)
    }
    return sorted(groups, key=lambda group: buffers.index(group[0]))


def _takes_whole(stmt: Evaluate) -> bool:
    """Whether a call may do more with a buffer than touch the elements of a region."""
    return not is_intrinsic(stmt.name) or any(not isinstance(a, Region) for a in stmt.args)


def _is_plain(buffer: Buffer) -> bool:
    return _is_padded_at_most(buffer) and buffer.scope is not Scope.REGISTER and buffer.size > 1


def _is_padded_at_most(buffer: Buffer) -> bool:
    """Whether rows lie one after the other, maybe with gaps between them."""
    strides = buffer.element_strides
    steps = zip(strides, strides[1:], buffer.shape[1:], strict=False)
    return buffer.strides is None or (
        strides[-1] == 1 and all(far >= near * extent for far, near, extent in steps)
    )


def _with_gaps(buffer: Buffer, extents: tuple[int, ...]) -> tuple[int, ...] | None:
    """Strides for a smaller buffer: where rows had gaps, they begin in the same banks as before."""
    if buffer.strides is None:
        return None
    out = [1]
    for d in reversed(range(buffer.ndim - 1)):
        step = out[0] * extents[d + 1]
        if buffer.strides[d] != buffer.strides[d + 1] * buffer.shape[d + 1]:
            step += (buffer.strides[d] - step) % BANKS
        out.insert(0, step)
    return tuple(out)


def _boxes(stmt: Stmt, group: Sequence[Buffer]) -> dict[Buffer, Region]:
    """What ``stmt`` touches of each buffer, reads and writes together."""
    found: dict[Buffer, Region] = {}
    for buffer in group:
        parts = [region_in(stmt, buffer, kind) for kind in ("read", "write")]
        box = union([part for part in parts if part is not None], {})
        if box is not None:
            found[buffer] = box
    return found


def _is_apart(box: Region, var: Var, extent: int) -> bool:
    """Whether iterations of the loop over ``var`` touch boxes that do not overlap."""
    if extent <= 1:
        return True
    for start, size in zip(box.starts, box.extents, strict=True):
        step = linear_in(start, var)
        if step is not None and abs(step) >= size:
            return True
    return False


def _never_overlap(one: Region, other: Region) -> bool:
    """Whether two boxes, of the same iteration of all loops around, have no element in common."""
    for start, size, begin, length in zip(
        one.starts, one.extents, other.starts, other.extents, strict=True
    ):
        gap = simplify(begin - start)
        if isinstance(gap, Const) and (int(gap.value) >= size or int(gap.value) <= -length):
            return True
    return False


def _shrunk(stmt: Stmt, boxes: Boxes, extents: Mapping[Var, int]) -> Stmt:
    """``stmt`` with each buffer as small as its box, allocated right around it."""
    fresh = {
        buffer: Buffer(
            buffer.name,
            box.extents,
            buffer.dtype,
            _with_gaps(buffer, box.extents),
            buffer.scope,
            buffer.aligned,
        )
        for buffer, box in boxes.items()
    }
    ranges = {**extents, **{s.var: s.extent for s in walk(stmt) if isinstance(s, For)}}
    memo: dict[Expr, Expr] = {}

    def moved(buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        starts = boxes[buffer].starts
        return tuple(simplify(i - s, ranges) for i, s in zip(indices, starts, strict=True))

    def on_load(node: Expr) -> Expr | None:
        if not isinstance(node, Load) or node.source not in fresh:
            return None
        return load(fresh[node.source], moved(node.source, node.indices))

    def on(node: Stmt) -> Stmt:
        match node:
            case Store(buffer=buffer, indices=indices) if buffer in fresh:
                return replace(node, buffer=fresh[buffer], indices=moved(buffer, indices))
            case Accumulate(buffers=buffers, indices=indices) if buffers[0] in fresh:
                held = tuple(fresh[b] for b in buffers)
                return replace(node, buffers=held, indices=moved(buffers[0], indices))
            case Evaluate(name=name, args=args):
                return Evaluate(name, tuple(map(argument, args)))
            case Allocate() | For() | While():
                return replace(node, body=on(node.body))
            case Seq(stmts=stmts):
                return seq(*map(on, stmts))
            case If(otherwise=otherwise):
                other = None if otherwise is None else on(otherwise)
                return replace(node, then=on(node.then), otherwise=other)
            case _:
                return node

    def argument(arg: Expr | Buffer | Region) -> Expr | Buffer | Region:
        if not isinstance(arg, Region) or arg.buffer not in fresh:
            return arg
        return Region(fresh[arg.buffer], moved(arg.buffer, arg.starts), arg.extents)

    body = on(map_exprs(stmt, lambda e: rewrite(e, on_load, memo)))
    return Allocate(tuple(fresh.values()), body)
