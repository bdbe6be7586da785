"""What a program reads and writes, as expressions of its loops.

The axes of blocks, nested ones too, are replaced by what they are bound to, and every access is
listed in program order with the loops around it and the conditions under which it happens. Leaves
are immutable and survive most steps, so what is found in them is kept by identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any
from weakref import WeakKeyDictionary

from ...dtypes import boolean
from ...ir.combiner import Combiner, reducer
from ...ir.expr import Apply, Expr, Load, Select, Var, apply, const, load
from ...ir.parts import Part, alone, parts_of
from ...ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    children_of,
    expressions_of,
    walk,
)
from ...ir.rewrite import loads_of, substitute
from ...records import Quick, dataclass, replace

_MOST_VISITS = 4096  # beyond so many, conditions of selects are left unsaid
_UNSAID = Var("unsaid", boolean)  # a guard of which nothing is known
_ZERO = const(0)
_REDUCER_OF = {"add": "sum", "mul": "prod", "maximum": "max", "minimum": "min"}


@dataclass(frozen=True, eq=False, slots=True)
class Access(Quick):
    """A touch of the elements ``indices[d] <= i[d] < indices[d] + extents[d]`` of ``buffer``.

    ``kind`` is "read", "write" or "combine"; the last reads and writes with ``combiner``, and such
    touches commute where that is commutative. It happens where all ``guards`` hold. ``loops`` are
    those around it, outermost first; the buffer is made anew in each iteration of the first
    ``private`` of them. ``group`` names the buffers that a combiner of several parts folds
    together. ``is_init`` says that it stands in the init of ``block`` ("" outside of blocks).
    """

    buffer: Buffer
    indices: tuple[Expr, ...]
    extents: tuple[int, ...]
    kind: str
    combiner: Combiner | None
    guards: tuple[Expr, ...]
    loops: tuple[For, ...]
    private: int
    block: str
    is_init: bool
    position: int
    group: tuple[Buffer, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it may change the element."""
        return self.kind != "read"


@dataclass(eq=False)
class Accesses:
    """The accesses of a program in program order, and which of them stand in which statement.

    ``bound`` lists the blocks with the loops and guards around them and what their axes are bound
    to, all over loops.
    """

    rows: list[Access] = field(default_factory=list)
    spans: dict[Stmt, tuple[int, int]] = field(default_factory=dict)
    loops: dict[Var, tuple[For, ...]] = field(default_factory=dict)
    bound: list[BoundBlock] = field(default_factory=list)

    def of(self, stmt: Stmt) -> list[Access]:
        """Those inside ``stmt``, which is a statement of the program."""
        first, last = self.spans[stmt]
        return self.rows[first:last]


@dataclass(frozen=True, eq=False, slots=True)
class BoundBlock(Quick):
    """A block, the loops and guards around it, and what its axes are bound to."""

    block: Block
    loops: tuple[For, ...]
    guards: tuple[Expr, ...]
    bindings: tuple[Expr, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Raw(Quick):
    """An access as its statement spells it, before axes are replaced."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    extents: tuple[int, ...]
    kind: str
    combiner: Combiner | None = None
    guards: tuple[Expr, ...] = ()
    group: tuple[Buffer, ...] = ()


@dataclass(frozen=True, eq=False)
class _Context(Quick):
    loops: tuple[For, ...] = ()
    guards: tuple[Expr, ...] = ()
    mapping: dict[Var, Expr] = field(default_factory=dict)
    homes: dict[Buffer, int] = field(default_factory=dict)
    block: str = ""
    is_init: bool = False
    is_declared: bool = False  # calls are not looked at: the block has said what they touch


_known: WeakKeyDictionary[Program, Accesses] = WeakKeyDictionary()
_leaves: WeakKeyDictionary[Stmt, tuple[_Raw, ...]] = WeakKeyDictionary()
_operands: WeakKeyDictionary[Any, tuple[tuple[tuple[str, Combiner | None], ...], ...]] = (
    WeakKeyDictionary()
)


def accesses_of(part: Program | Stmt) -> Accesses:
    """All accesses of a program, or of a statement taken as one."""
    if not isinstance(part, Program):
        out = Accesses()
        _visit(part, _Context(), out)
        return out
    found = _known.get(part)
    if found is None:
        found = Accesses()
        own = {one.stmt: one for one in parts_of(part)}
        if len(own) < 2:
            _visit(part.body, _Context(), found)
        else:
            _join(part, part.body, own, found)
        _known[part] = found
    return found


def _join(program: Program, stmt: Stmt, parts: dict[Stmt, Part], out: Accesses) -> None:
    """The accesses of the parts in ``stmt``, found in each by itself: what is outside of all parts
    puts no loops and no conditions around them."""
    first = len(out.rows)
    if stmt in parts:
        found = accesses_of(alone(program, parts[stmt]))
        out.rows += [_moved(row, first) for row in found.rows] if first else found.rows
        for inner, (start, end) in found.spans.items():
            out.spans[inner] = (first + start, first + end)
        out.loops.update(found.loops)
        out.bound += found.bound
        return
    for inside in children_of(stmt):
        _join(program, inside, parts, out)
    out.spans[stmt] = (first, len(out.rows))


def _moved(row: Access, by: int) -> Access:
    return Access(
        row.buffer,
        row.indices,
        row.extents,
        row.kind,
        row.combiner,
        row.guards,
        row.loops,
        row.private,
        row.block,
        row.is_init,
        row.position + by,
        row.group,
    )


def accesses_of_block(block: Block) -> Accesses:
    """The accesses inside ``block`` over its own axes, which stand as loops around them."""
    out = Accesses()
    loops = tuple(For(it.axis, it.axis.extent, block.body) for it in block.iters)
    _visit_inside(block, _Context(loops, block=block.name), out)
    return out


_ANY_LENGTH = 1 << 31  # iterations of a loop whose end the data decide


def _visit(stmt: Stmt, context: _Context, out: Accesses) -> None:
    first = len(out.rows)
    match stmt:
        case For(var=var, body=body):
            loops = out.loops[var] = (*context.loops, stmt)
            _visit(body, replace(context, loops=loops), out)
        case Seq(stmts=stmts):
            for part in stmts:
                _visit(part, context, out)
        case Allocate(buffers=buffers, body=body):
            homes = context.homes | dict.fromkeys(buffers, len(context.loops))
            _visit(body, replace(context, homes=homes), out)
        case While(condition=condition, body=body):
            # As a serial loop of any length whose iterations all touch the same elements.
            loop = For(Var("again"), _ANY_LENGTH, body)
            loops = out.loops[loop.var] = (*context.loops, loop)
            inside = replace(context, loops=loops)
            _add(_reads((condition,)), inside, out)
            _visit(body, inside, out)
        case If(condition=condition, then=then, otherwise=otherwise):
            _add(_reads((condition,)), context, out)
            test = substitute(condition, context.mapping)
            _visit(then, replace(context, guards=(*context.guards, test)), out)
            if otherwise is not None:
                _visit(otherwise, replace(context, guards=(*context.guards, ~test)), out)
        case Block():
            _visit_block(stmt, context, out)
        case Evaluate() if context.is_declared and not _has_meaning(stmt):
            pass
        case _:
            raw = _leaves.get(stmt)
            if raw is None:
                raw = _leaves[stmt] = tuple(_touches(stmt))
            _add(raw, context, out)
    out.spans[stmt] = (first, len(out.rows))


def _visit_block(stmt: Block, context: _Context, out: Accesses) -> None:
    _add(_reads(expressions_of(stmt)), context, out)
    if stmt.init is not None:
        _visit_init_over_nothing(stmt, context, out)
    memo: dict[Expr, Expr] = {}
    mapping, guards = context.mapping, context.guards
    bindings = tuple(substitute(it.binding, mapping, memo) for it in stmt.iters)
    if stmt.predicate is not None:
        guards = (*guards, substitute(stmt.predicate, mapping, memo))
    out.bound.append(BoundBlock(stmt, context.loops, guards, bindings))
    axes: dict[Var, Expr] = {it.axis: e for it, e in zip(stmt.iters, bindings)}
    mapping = mapping | axes if mapping else axes
    _visit_inside(stmt, replace(context, guards=guards, mapping=mapping, block=stmt.name), out)


def _visit_init_over_nothing(stmt: Block, context: _Context, out: Accesses) -> None:
    """The init of a reduction over nothing, in the loops that are left of those around it."""
    depth = next((n for n, loop in enumerate(context.loops) if loop.extent == 0), None)
    if depth is None:
        return
    from ...ir.empty_reductions import init_over_nothing

    nest = init_over_nothing(context.loops[depth], stmt)
    if nest is None:
        return
    known = dict(out.loops)
    _visit(nest, replace(context, loops=context.loops[:depth]), out)
    out.loops.update(known)


def _visit_inside(stmt: Block, context: _Context, out: Accesses) -> None:
    """The init and the body of a block whose axes are in the context already."""
    if stmt.init is not None:
        starts = tuple(
            apply("eq", context.mapping.get(it.axis, it.axis), _ZERO)
            for it in stmt.iters
            if it.axis.is_reduce
        )
        guards = (*context.guards, *starts)
        _visit(stmt.init, replace(context, guards=guards, is_init=True), out)
    if stmt.reads is not None or stmt.writes is not None:
        if any(isinstance(s, Evaluate) and not _has_meaning(s) for s in walk(stmt.body)):
            declared = [_box(region, "read") for region in stmt.reads or ()]
            declared += [_box(region, "write") for region in stmt.writes or ()]
            _add(declared, context, out)
            context = replace(context, is_declared=True)
    _visit(stmt.body, context, out)


def _add(raw: Iterable[_Raw], context: _Context, out: Accesses) -> None:
    """The touches as accesses, with what axes are bound to in their place."""
    memo: dict[Expr, Expr] = {}
    mapping = context.mapping
    for touch in raw:
        guards = context.guards
        if touch.guards:
            guards = (*guards, *(substitute(g, mapping, memo) for g in touch.guards))
        out.rows.append(
            Access(
                touch.buffer,
                tuple([substitute(i, mapping, memo) for i in touch.indices]),
                touch.extents,
                touch.kind,
                touch.combiner,
                guards,
                context.loops,
                context.homes.get(touch.buffer, 0),
                context.block,
                context.is_init,
                len(out.rows),
                touch.group,
            )
        )


def _touches(stmt: Stmt) -> list[_Raw]:
    """What a leaf touches: what it reads first."""
    match stmt:
        case Store(buffer=buffer, indices=indices, value=value):
            ones = (1,) * len(indices)
            update = _self_update(stmt)
            if update is not None:
                combiner, value = update
                target = _Raw(buffer, indices, ones, "combine", combiner)
            else:
                target = _Raw(buffer, indices, ones, "write")
            return [*_reads((*indices, value)), target]
        case Accumulate(combiner=combiner, buffers=buffers, indices=indices, values=values):
            ones = (1,) * len(indices)
            group = buffers if len(buffers) > 1 else ()
            targets = [_Raw(b, indices, ones, "combine", combiner, (), group) for b in buffers]
            return [*_reads((*indices, *values)), *targets]
        case Evaluate(args=args):
            if _has_meaning(stmt):
                return _intrinsic_touches(stmt)
            out = _reads(expressions_of(stmt))
            for arg in args:
                if isinstance(arg, Buffer):
                    arg = Region(arg, (_ZERO,) * arg.ndim, arg.shape)
                if isinstance(arg, Region):
                    out += [_box(arg, "read"), _box(arg, "write")]
            return out
        case _:
            return []


def _self_update(stmt: Store) -> tuple[Combiner, Expr] | None:
    """``C[i] = C[i] + x`` as (sum, x), if x does not read C."""
    match stmt.value:
        case Apply(fn=fn, args=(a, b)) if fn in _REDUCER_OF:
            own = load(stmt.buffer, stmt.indices)
            if a is not own:
                a, b = b, a
            if a is own and all(one.source is not stmt.buffer for one in loads_of(b)):
                return reducer(_REDUCER_OF[fn], stmt.buffer.dtype), b
    return None


def _has_meaning(call: Evaluate) -> bool:
    """Whether what the call does is known: it is that of an intrinsic."""
    from ...ir.call_names import is_intrinsic  # few programs call anything

    return is_intrinsic(call.name)


def _intrinsic_touches(call: Evaluate) -> list[_Raw]:
    """The regions of a call; an operand that the meaning only combines into is combined."""
    from ...ir.call_names import intrinsic_named
    from ...ir.intrinsic import regions_of_call

    intrinsic = intrinsic_named(call.name)
    kinds = _operands.get(intrinsic)
    if kinds is None:
        rows = accesses_of(intrinsic.meaning).rows
        kinds = _operands[intrinsic] = tuple(
            tuple(dict.fromkeys((r.kind, r.combiner) for r in rows if r.buffer is operand))
            for operand in intrinsic.operands
        )
    out = _reads(expressions_of(call))
    for region, ways in zip(regions_of_call(call), kinds):
        if len(ways) > 1 or any(c is not None and len(c.dtypes) > 1 for _, c in ways):
            ways = tuple(dict.fromkeys(("read" if k == "read" else "write", None) for k, _ in ways))
        out += [_box(region, kind, combiner) for kind, combiner in ways]
    return sorted(out, key=lambda touch: touch.kind != "read")


def _box(region: Region, kind: str, combiner: Combiner | None = None) -> _Raw:
    return _Raw(region.buffer, region.starts, region.extents, kind, combiner)


def _reads(roots: tuple[Expr, ...]) -> list[_Raw]:
    """Every load in ``roots``, with the conditions of the selects that it is a side of."""
    out: list[_Raw] = []
    seen: set[tuple[Expr, tuple[Expr, ...]]] = set()
    stack: list[tuple[Expr, tuple[Expr, ...]]] = [(root, ()) for root in reversed(roots)]
    while stack:
        node, guards = stack.pop()
        is_leaf = not node.children and not isinstance(node, Load)  # a scalar is loaded without any
        if is_leaf or (node, guards) in seen:
            continue
        seen.add((node, guards))
        match node:
            case Select(condition=condition, then=a, otherwise=b):
                if len(seen) < _MOST_VISITS:
                    stack += [(b, (*guards, ~condition)), (a, (*guards, condition))]
                else:
                    stack += [(b, (_UNSAID,)), (a, (_UNSAID,))]
                stack.append((condition, guards))
                continue
            case Load(source=source, indices=indices):
                out.append(_Raw(source, indices, (1,) * len(indices), "read", None, guards))
        stack.extend((child, guards) for child in reversed(node.children))
    return out
