"""stop_folds: a fold of truth values ends once nothing can change its result."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..dtypes import boolean, uint8
from ..ir.affine import as_sum
from ..ir.expr import Apply, Axis, Expr, Load, Var, apply, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    blocks_of,
    reads_of,
    seq,
    walk,
    writes_of,
)
from ..ir.rewrite import loads_of
from ..ir.simplify import simplify
from ..records import replace
from ..schedules.step import rebuild

LEAST = 2048  # points of an iteration that pay for a look at the flag
# What a fold of truth values cannot leave any more.
ABSORBING = {"bitor": True, "maximum": True, "bitand": False, "minimum": False}


def stop_folds(program: Program) -> Program:
    """``for c: part[c] = any(x[c, :])`` and ``found = any(part)`` ->
    ``for c: if nothing was found: part[c] = any(x[c, :])``, ``else: part[c] = False``.

    For programs made of tensor expressions: the loops around a block run through its whole domain.
    Parts must all end in one number, and nothing that is read may depend on data for its place:
    an index outside of an array is an error wherever the array is read.
    """
    if not any(_folded(s) for s in walk(program.body) if isinstance(s, Accumulate)):
        return program
    if program.attrs.get("refusals") or any(isinstance(s, Evaluate) for s in walk(program.body)):
        return program
    body = rebuild(program.body, lambda stmt: _stopped(stmt, program))
    if body is program.body:
        return program
    marks = program.attrs.get("unsafe", ())
    marks = True if marks is True else (*marks, "iterations share a flag, by atomic steps")
    return replace(program, body=body, attrs={**program.attrs, "unsafe": marks})


def _folded(stmt: Stmt) -> str:
    """The function of a fold of truth values with a value that absorbs all others, else ""."""
    if not isinstance(stmt, Accumulate) or stmt.combiner.dtypes != (boolean,):
        return ""
    return stmt.combiner.fn if stmt.combiner.fn in ABSORBING else ""


def _stopped(loop: Stmt, program: Program) -> Stmt | None:
    """``loop`` over the parts of a fold, left once one of them is what absorbs; None for others."""
    if not isinstance(loop, For) or loop.kind not in (LoopKind.SERIAL, LoopKind.PARALLEL):
        return None
    inside = list(walk(loop.body))
    blocks = [s for s in inside if isinstance(s, Block)]
    if len(blocks) != 1 or loop.extent < 2:
        return None
    (block,) = blocks
    fold = block.body
    if not isinstance(fold, Accumulate) or not _folded(fold) or block.predicate is not None:
        return None
    around = inside[: inside.index(block)]
    if not all(isinstance(s, For | Seq) for s in around):
        return None
    points = prod(s.extent for s in around if isinstance(s, For))
    (part,) = fold.buffers
    if points < max(LEAST, 8 * part.size // loop.extent) or not _is_part(loop, block, part):
        return None
    if any(loads_of(index) for read in reads_of(block) for index in read.indices):
        return None
    return _with_flag(loop, fold) if _ends_in_one(part, fold.combiner.fn, program) else None


def _is_part(loop: For, block: Block, part: Buffer) -> bool:
    """Whether each iteration of ``loop`` makes ``part[i]``, all of it."""
    fold = block.body
    assert isinstance(fold, Accumulate)
    bound = {it.axis: it.binding for it in block.iters if not it.axis.is_reduce}
    if not part.shape or not _is_whole(fold.indices, part) or set(fold.indices) != set(bound):
        return False
    first = fold.indices[0]
    return isinstance(first, Axis) and bound[first] is loop.var


def _is_whole(indices: Sequence[Expr], buffer: Buffer) -> bool:
    """Whether ``indices`` are different axes that go through the whole buffer."""
    axes = [a for a in indices if isinstance(a, Axis)]
    extents = tuple(a.extent for a in axes)
    return len(axes) == len(set(axes)) == len(indices) and extents == buffer.shape


def _ends_in_one(part: Buffer, fn: str, program: Program) -> bool:
    """Whether all that ``part`` is for is to be folded by ``fn``, with nothing else, to one
    number."""
    outputs = program.params[len(program.params) - program.outputs :]
    blocks = blocks_of(program.body)
    while True:
        if sum(buffer is part for b in blocks for buffer, _ in writes_of(b.body)) != 1:
            return False
        if part.size == 1:
            return True
        readers = [b for b in blocks if any(n.source is part for n in reads_of(b))]
        if any(part is b for b in outputs) or len(readers) != 1:
            return False
        fold = readers[0].body
        if not isinstance(fold, Accumulate) or _folded(fold) != fn:
            return False
        if not _is_read_whole(fold.values[0], part, fold.combiner.identity[0]):
            return False
        (part,) = fold.buffers


def _is_read_whole(value: Expr, part: Buffer, identity: Expr) -> bool:
    """Whether ``value`` is an element of ``part``, every one of them at some point of its axes."""
    match value:
        case Load(source=source) if source is part:
            return _is_whole([simplify(i) for i in value.indices], part)
        case Apply(fn="select", args=(inside, Load(source=source, indices=(index,)), other)):
            if source is not part or other is not identity:
                return False
            if inside is not apply("lt", index, const(part.shape[0])):
                return False
            return _spans(index, part.shape[0])
        case _:
            return False


def _spans(index: Expr, extent: int) -> bool:
    """Whether ``index`` takes every value from 0 to ``extent``, as a number of several digits."""
    total = as_sum(simplify(index))
    reached = 1
    for atom, factor in sorted(total.terms, key=lambda term: term[1]):
        if not isinstance(atom, Axis) or factor != reached:
            return False
        reached *= atom.extent
    return total.constant == 0 and reached >= extent


def _with_flag(loop: For, fold: Accumulate) -> Stmt:
    from ..intrinsics.flags import raise_flag, see_flag

    (part,) = fold.buffers
    flag, seen = Buffer("settled", (1,), uint8), Buffer("seen", (1,), uint8)
    total, found = Buffer("total", (1,), boolean), Buffer("found", (1,), boolean)
    at, identity = (const(0),), fold.combiner.identity[0]
    whole = {b: Region(b, at, (1,)) for b in (flag, seen, found)}

    def each(change: type[Store] | type[Accumulate]) -> Stmt:
        inner = [Var(f"p{d}") for d in range(1, part.ndim)]
        place = (loop.var, *inner)
        made: Stmt = (
            Store(part, place, identity)
            if change is Store
            else Accumulate(fold.combiner, (total,), at, (load(part, place),))
        )
        for var, extent in zip(reversed(inner), reversed(part.shape[1:]), strict=True):
            lanes = var is inner[-1] and extent & (extent - 1) == 0
            made = For(var, extent, made, LoopKind.VECTORIZED if lanes else LoopKind.SERIAL)
        return made

    ends = load(total, at) if ABSORBING[fold.combiner.fn] else ~load(total, at)
    look = seq(
        loop.body,
        Store(total, at, identity),
        each(Accumulate),
        Store(found, at, ends),
        Evaluate(raise_flag.name, (whole[found], whole[flag])),
    )
    body = seq(
        Evaluate(see_flag.name, (whole[flag], whole[seen])),
        If(apply("eq", load(seen, at), const(0, uint8)), look, each(Store)),
    )
    changed = replace(loop, body=Allocate((seen, total, found), body))
    return Allocate((flag,), seq(Store(flag, at, const(0, uint8)), changed))
