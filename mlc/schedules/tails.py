"""What a split may do with a last tile that is not full: shift it inwards, or run it in full."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..ir.bounds import interval
from ..ir.expr import Apply, Axis, Const, Expr, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    Iter,
    Program,
    Region,
    Stmt,
    Store,
    expressions_of,
    map_exprs,
    walk,
)
from ..ir.rewrite import loads_of, postorder, substitute, variables_of
from ..ir.simplify import simplify
from ..records import replace
from .legality import Access, accesses_of
from .legality.conflict import conflict
from .refusal import Point, Refusal, Witness
from .step import rebuild, replace_loop


def shift_refusal(program: Program, loop: For, tiles: Sequence[int]) -> Refusal | str | None:
    """Why the last tile, of the product of ``tiles`` iterations, may not begin so much before the
    end: some points are then done twice, which must make no difference.

    It makes none to what is only written. A reduction that each iteration begins anew would bear it
    too, but no longer once decompose_reduction has taken its init elsewhere: so none may be.
    """
    for node in walk(loop.body):
        if isinstance(node, Evaluate):
            return f"the call of {node.name!r} under loop {loop.var.name} might not bear repetition"
    fix = "use tail='guard' or tail='cut'"
    twice = f"a shifted tile does some iterations of {loop.var.name} twice"
    rows = [row for row in accesses_of(program).of(loop) if all(f.extent for f in row.loops)]
    for row in rows:
        if row.kind == "combine":
            where = f"block {row.block!r}" if row.block else "a statement in it"
            witness = _witness(loop, tiles, row)
            return Refusal(f"{twice}, and {where} combines", witness, fix, not row.guards)
    read = {row.buffer for row in rows if row.kind == "read"}
    both = sorted({row.buffer.name for row in rows if row.changes and row.buffer in read})
    if both:
        names = ", ".join(both)
        return Refusal(f"{twice}, and they read what they write ({names})", None, fix, False)
    return None


def _witness(loop: For, tiles: Sequence[int], row: Access) -> Witness:
    """The first iteration that is done twice, with all other loops at 0."""
    inner = math.prod(tiles)
    first = loop.extent - inner
    element = []
    for index in row.indices:
        point = {v: const(first if v is loop.var else 0, v.dtype) for v in variables_of(index)}
        element.append(int(getattr(simplify(substitute(index, point)), "value", 0)))
    digits: list[int] = []
    rest = first
    for extent in reversed(tiles):
        digits.insert(0, rest % extent)
        rest //= extent
    names = [f"{loop.var.name}_{n}" for n in range(len(tiles) + 1)]
    one = tuple(zip(names, (rest, *digits)))
    two = tuple(zip(names, (loop.extent // inner, *(0 for _ in tiles))))
    a, b = (
        Point(
            row.block,
            tuple(v for f in row.loops for v in (tile if f is loop else ((f.var.name, 0),))),
            "combines into",
        )
        for tile in (one, two)
    )
    return Witness(a, b, row.buffer.name, tuple(element))


def pad_refusal(program: Program, loop: For, total: int) -> Refusal | str | None:
    """Why ``loop`` may not run on to ``total``: the points beyond its extent must stay within all
    buffers, and nobody may see what they write."""
    ranges: dict[Var, int] = {n.var: n.extent for n in walk(program.body) if isinstance(n, For)}
    ranges[loop.var] = total
    body = padded_axes(loop.body, ranges)
    for node in walk(body):
        for it in node.iters if isinstance(node, Block) else ():
            if interval(it.binding, ranges)[0] < 0:
                return (
                    f"the points of {loop.var.name} from {loop.extent} to {total - 1} take axis "
                    f"{it.axis.name}, bound to {it.binding!r}, below 0; use tail='guard'"
                )
        for buffer, indices in _accesses(node):
            for position, (index, extent) in enumerate(zip(indices, buffer.shape)):
                low, high = interval(index, ranges)
                if low < 0 or high >= extent:
                    return (
                        f"the points of {loop.var.name} from {loop.extent} to {total - 1} leave "
                        f"{buffer.name}: index {index!r} of axis {position} reaches {high:g}, and "
                        f"there are {extent}; use tail='guard', or give the buffer room for "
                        "whole tiles with transform_layout or pad_einsum first"
                    )
    again = _written_again(program, loop) if loop.extent == 1 else None
    if again is not None:
        return (
            f"the points of {loop.var.name} from {loop.extent} to {total - 1} write the same "
            f"elements of {again.name} once more; use tail='guard'"
        )
    if _is_unseen(program, loop, body, total):
        return None
    return Refusal(
        f"the points of {loop.var.name} from {loop.extent} to {total - 1} are within all buffers, "
        "but what they write might be read",
        fix="use tail='guard'",
        proven=False,
    )


def _written_again(program: Program, loop: For) -> Buffer | None:
    """A buffer from outside the loop whose elements do not depend on its iteration: of such a loop
    there is but one iteration, and another one would visit its points twice."""
    own = {b for node in walk(loop.body) if isinstance(node, Allocate) for b in node.buffers}
    for row in accesses_of(program).of(loop):
        if row.kind == "write" and row.buffer not in own:
            if all(loop.var not in set(variables_of(index)) for index in row.indices):
                return row.buffer
    return None


def _is_unseen(program: Program, loop: For, body: Stmt, total: int) -> bool:
    """Whether nothing that the points from the extent of ``loop`` up to ``total`` write, when the
    loop runs them over ``body``, is read by any other point, nor by the caller."""
    longer = replace(loop, extent=total, body=body)
    found = accesses_of(replace_loop(program, loop.var, lambda _: longer))
    inside = found.of(longer)
    others = set(found.rows).difference(inside)
    beyond, within = loop.var >= loop.extent, loop.var < loop.extent
    readers = [row for row in others if row.kind != "write"]
    readers += [replace(r, guards=(*r.guards, within)) for r in inside if r.kind != "write"]
    for row in inside:
        if not row.changes:
            continue
        if any(row.buffer is buffer for buffer in program.params):
            return False
        write = replace(row, guards=(*row.guards, beyond))
        if any(r.buffer is row.buffer and conflict(write, r, {}) is not None for r in readers):
            return False
    return not any(_may_fail(expr) for node in walk(body) for expr in expressions_of(node))


def _may_fail(root: Expr) -> bool:
    """Whether there is a division of whole numbers by what may be 0 in memory nobody has set."""
    return any(
        isinstance(node, Apply)
        and node.fn in ("floordiv", "mod")
        and not node.dtype.is_float
        and not isinstance(node.args[1], Const)
        for node in postorder(root)
    )


def _accesses(stmt: Stmt) -> list[tuple[Buffer, tuple[Expr, ...]]]:
    """The elements that ``stmt`` itself, not what is in it, reads and writes."""
    found = [(load.source, load.indices) for e in expressions_of(stmt) for load in loads_of(e)]
    match stmt:
        case Store(buffer=buffer, indices=indices):
            found.append((buffer, indices))
        case Accumulate(buffers=buffers, indices=indices):
            found.extend((buffer, indices) for buffer in buffers)
        case Evaluate(args=args):
            for arg in args:
                if isinstance(arg, Region):
                    ends = tuple(a + (n - 1) for a, n in zip(arg.starts, arg.extents))
                    found += [(arg.buffer, arg.starts), (arg.buffer, ends)]
    return found


def padded_axes(body: Stmt, ranges: Mapping[Var, int]) -> Stmt:
    """``body`` with every axis long enough for what it is bound to."""

    def on(node: Stmt) -> Stmt | None:
        if not isinstance(node, Block):
            return None
        fresh: dict[Var, Expr] = {}
        iters = []
        for it in node.iters:
            high = interval(it.binding, ranges)[1]
            if it.axis.extent <= high < math.inf:
                axis = Axis(it.axis.name, int(high) + 1, it.axis.is_reduce)
                fresh[it.axis] = axis
                it = Iter(axis, it.binding)
            iters.append(it)
        if not fresh:
            return None
        inside = replace(node, iters=(), predicate=None)
        changed = map_exprs(inside, lambda e: substitute(e, fresh))
        assert isinstance(changed, Block)
        return replace(
            changed,
            iters=tuple(iters),
            predicate=node.predicate,
            body=padded_axes(changed.body, ranges),
            init=None if changed.init is None else padded_axes(changed.init, ranges),
        )

    return rebuild(body, on)
